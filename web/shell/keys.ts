/** Keys that work on every page: `g` and a letter goes to a page. What one types into a field is left alone. */
import { useEffect } from "react";
import { useLocation } from "wouter";
import { href } from "../components/address.ts";
import { ROUTES } from "../routes.ts";

const SECOND_KEY_MS = 2_000;

export const isTyping = ({ target }: KeyboardEvent): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

export function useKeys(tenantName: string | undefined): void {
  const [, navigate] = useLocation();
  useEffect(() => {
    let goAt = -Infinity;
    const onKeyDown = (event: KeyboardEvent): void => {
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "g") goAt = event.timeStamp;
      else if (event.timeStamp - goAt < SECOND_KEY_MS) {
        goAt = -Infinity;
        const route = ROUTES.find(({ nav }) => nav?.key === event.key);
        if (route !== undefined) navigate(href(route.path, { tenant: tenantName }));
      }
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [navigate, tenantName]);
}
