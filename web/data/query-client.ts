/** The cache of what the API has answered. `jobyard/client` repeats calls itself, so the cache does not. */
import { QueryCache, QueryClient } from "@tanstack/react-query";
import { isJobServiceError } from "../../runtime/client/index.ts";

export interface QueryClientOptions {
  /** The issuer gives no new token. */
  readonly onSignedOut: () => void;
}

export function createQueryClient({ onSignedOut }: QueryClientOptions): QueryClient {
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      onError(error) {
        if (!isJobServiceError(error)) return;
        if (error.code === "SignInFailed" || error.code === "Unauthenticated") onSignedOut();
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
