/** Reads a list of any length, page by page. */
import type { CallOptions, Request, Transport } from "./transport.ts";

export interface PageOptions extends CallOptions {
  /** Items in one response. Default 100. */
  readonly pageSize?: number | undefined;
}

export interface PageView<T> {
  readonly items: readonly T[];
  readonly continuationToken?: string;
}

/** Iterates over single items. `pages` iterates over the responses. */
export interface Listing<T> extends AsyncIterable<T> {
  /** Starts after the page that returned the token. Default: the first page. */
  pages(continuationToken?: string): AsyncIterable<PageView<T>>;
}

export function listing<T>(
  transport: Pick<Transport, "json">,
  path: string,
  query: NonNullable<Request["query"]>,
  { pageSize, signal }: PageOptions,
): Listing<T> {
  async function* pages(from?: string): AsyncGenerator<PageView<T>> {
    let continuationToken = from;
    do {
      const page = await transport.json<PageView<T>>({
        path,
        query: { ...query, pageSize, continuationToken },
        signal,
      });
      yield page;
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined);
  }
  return {
    pages,
    async *[Symbol.asyncIterator]() {
      for await (const { items } of pages()) yield* items;
    },
  };
}
