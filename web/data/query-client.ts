/** The cache of what the API has answered. `jobyard/client` repeats calls itself, so the cache does not. */
import { QueryCache, QueryClient, type Query } from "@tanstack/react-query";
import { isJobServiceError } from "../../runtime/client/index.ts";

export interface QueryClientOptions {
  /** False: the issuer gives no new token. */
  readonly onSignedIn: (isSignedIn: boolean) => void;
}

/** Delay until a failed query that is shown is read again, also when no event says so. */
const AGAIN_AFTER_MS = 15_000;

export function createQueryClient({ onSignedIn }: QueryClientOptions): QueryClient {
  const waiting = new WeakSet<object>();
  function readLater(query: Query<unknown, unknown>): void {
    if (waiting.has(query)) return;
    waiting.add(query);
    setTimeout(() => {
      waiting.delete(query);
      const { queryKey, state } = query;
      const isSeen = document.visibilityState === "visible";
      if (isSeen && state.status === "error" && state.fetchStatus === "idle")
        void client.refetchQueries({ queryKey, exact: true, type: "active" });
    }, AGAIN_AFTER_MS);
  }

  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      onSuccess(_data, { queryKey: [kind] }) {
        if (kind === "me") onSignedIn(true);
      },
      onError(error, query) {
        if (!isJobServiceError(error)) return;
        if (error.retryable) readLater(query);
        else if (error.code === "SignInFailed" || error.code === "Unauthenticated") onSignedIn(false);
        // A grant may have been revoked: what is greyed depends on it.
        if (error.code === "Forbidden") void client.invalidateQueries({ queryKey: ["me"] });
      },
    }),
    defaultOptions: {
      queries: {
        retry: false,
        // Events say what has changed (live.ts). Whoever comes back to the tab sees what is true now.
        staleTime: 10_000,
        refetchOnWindowFocus: true,
        // A page that loses its connection shows the error of the API's client.
        networkMode: "always",
      },
      mutations: { retry: false, networkMode: "always" },
    },
  });
  return client;
}
