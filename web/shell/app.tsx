/** The whole dashboard inside of a session: cache, events, frame, and the page of the address. */
import { Suspense, useState } from "react";
import { QueryClientProvider } from "@tanstack/react-query";
import { Route, Switch, useLocation } from "wouter";
import { ErrorBoundary } from "../components/error-note.tsx";
import { Empty } from "../components/empty.tsx";
import { GhostPage } from "../components/ghost.tsx";
import { ToastRegion } from "../components/toast.tsx";
import { createQueryClient } from "../data/query-client.ts";
import { SessionContext, useMe, useSession } from "../data/session.ts";
import type { SignedIn } from "../data/sign-in.ts";
import { ROUTES } from "../routes.ts";
import { Frame } from "./frame.tsx";

export function App({ session }: { readonly session: SignedIn }) {
  const [isSignedOut, setSignedOut] = useState(false);
  const [queries] = useState(() => createQueryClient({ onSignedIn: (isSignedIn) => setSignedOut(!isSignedIn) }));
  return (
    <SessionContext value={session}>
      <QueryClientProvider client={queries}>
        <ToastRegion>
          <Frame isSignedOut={isSignedOut}>
            <Pages />
          </Frame>
        </ToastRegion>
      </QueryClientProvider>
    </SessionContext>
  );
}

function Pages() {
  const [path] = useLocation();
  const { hasUsers } = useSession();
  const { isFetched } = useMe();
  // No page says first that the caller may not see it, and then shows it.
  if (hasUsers && !isFetched) return <GhostPage />;
  return (
    // Another address is another page: an error of the last one is gone.
    <ErrorBoundary key={path} place="This page">
      <Suspense fallback={<GhostPage />}>
        <Switch>
          {ROUTES.map(({ path: pattern, Page }) => (
            <Route key={pattern} path={pattern}>
              {(params) => <Page params={params} />}
            </Route>
          ))}
          <Route>
            <Empty title="There is no such page">The address is none of the dashboard.</Empty>
          </Route>
        </Switch>
      </Suspense>
    </ErrorBoundary>
  );
}
