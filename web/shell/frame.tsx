/** The frame around every page: side bar, tenant, search, live sign, theme, user. */
import { useEffect, useRef, type ReactNode } from "react";
import { useLocation } from "wouter";
import { LiveContext, useFollow } from "../data/live.ts";
import { rememberTenant, useClient, useTenant, useTenants } from "../data/session.ts";
import { ErrorNote } from "../components/error-note.tsx";
import { NavBar } from "./nav-bar.tsx";
import { TopBar } from "./top-bar.tsx";
import { useSignInAgain } from "./sign-in-again.tsx";
import { useKeys } from "./keys.ts";

export interface FrameProps {
  readonly children: ReactNode;
  readonly isSignedOut: boolean;
}

export function Frame({ children, isSignedOut }: FrameProps) {
  const signInAgain = useSignInAgain();
  const tenantName = useTenant();
  const tenants = useTenants();
  const live = useFollow(useClient(), tenantName);
  const main = useRef<HTMLElement>(null);
  const [path] = useLocation();
  useKeys(tenantName);
  useEffect(() => {
    if (tenantName !== undefined) rememberTenant(tenantName);
  }, [tenantName]);
  useEffect(() => {
    // A new page begins at its top, also for who hears it.
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <LiveContext value={live}>
      <a className="btn primary skip" href="#main">
        Skip to the page
      </a>
      <div className="frame">
        <NavBar tenantName={tenantName} />
        <TopBar tenantName={tenantName} />
        <main id="main" ref={main} tabIndex={-1}>
          {isSignedOut ? (
            <div className="banner" data-kind="bad" role="alert">
              <span>Your session has ended. What you see may be old.</span>
              <button type="button" className="btn" onClick={signInAgain}>
                Sign in again
              </button>
            </div>
          ) : null}
          {tenantName === undefined && tenants.error !== null ? (
            <ErrorNote error={tenants.error} what="Your tenants cannot be read." onRetry={tenants.refresh} />
          ) : null}
          {children}
        </main>
      </div>
    </LiveContext>
  );
}
