/** Lists of the API, page by page, as the user scrolls. */
import { useInfiniteQuery, type QueryKey } from "@tanstack/react-query";
import type { Listing, PageView } from "../../runtime/client/index.ts";

export interface LongList<T> {
  /** Undefined: the first page has not come. */
  readonly items: readonly T[] | undefined;
  readonly error: Error | null;
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  readonly loadMore: () => void;
  /** For a table, whose end may stay in view. Undefined: nothing is to be read now. After an error, the reader decides. */
  readonly onEnd: (() => void) | undefined;
  /** Reads the list again from its beginning. */
  readonly refresh: () => void;
}

export interface LongListOptions<T> {
  readonly queryKey: QueryKey;
  readonly list: (options: { readonly signal: AbortSignal; readonly pageSize: number }) => Listing<T>;
  readonly enabled?: boolean;
  readonly pageSize?: number;
  /** How often it is read again, by what it holds. Default: only when something says so. */
  readonly everyMs?: (items: readonly T[]) => number | false;
}

interface Pages<T> {
  readonly pages: readonly PageView<T>[];
}

const PAGE_SIZE = 100;
/** A filter can look at many items that do not fit. After so many empty pages the reader is asked. */
const EMPTY_PAGES_MAX = 10;

export function useLongList<T>({
  queryKey,
  list,
  enabled = true,
  pageSize = PAGE_SIZE,
  everyMs,
}: LongListOptions<T>): LongList<T> {
  const query = useInfiniteQuery({
    queryKey,
    enabled,
    ...(everyMs && {
      refetchInterval: ({ state: { data } }: { state: { data: Pages<T> | undefined } }) =>
        everyMs(data?.pages.flatMap(({ items }) => items) ?? []),
    }),
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) => {
      let last: PageView<T> = { items: [] };
      let empty = 0;
      for await (const page of list({ signal, pageSize }).pages(pageParam)) {
        last = page;
        if (page.items.length > 0 || ++empty >= EMPTY_PAGES_MAX) break;
      }
      return last;
    },
    getNextPageParam: ({ continuationToken }) => continuationToken,
  });
  const loadMore = (): void => void query.fetchNextPage();
  return {
    items: query.data?.pages.flatMap(({ items }) => items),
    error: query.error,
    hasMore: query.hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    loadMore,
    onEnd: query.hasNextPage && !query.isFetching && query.error === null ? loadMore : undefined,
    refresh: () => void query.refetch(),
  };
}
