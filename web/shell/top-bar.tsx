/** Above every page: the tenant, the search, whether events arrive, the look, the user. */
import { useState } from "react";
import { useLocation } from "wouter";
import { href } from "../components/address.ts";
import { Ghost } from "../components/ghost.tsx";
import { Icon } from "../components/icon.tsx";
import { Menu } from "../components/menu.tsx";
import { useLiveState, type LiveState } from "../data/live.ts";
import { useMe, useSession, useTenants } from "../data/session.ts";
import { CommandBar } from "./command-bar.tsx";
import { useSignInAgain } from "./sign-in-again.tsx";
import { applyTheme, readTheme, THEMES, type Theme } from "./theme.ts";

const LIVE_WORDS: Readonly<Record<LiveState, readonly [word: string, meaning: string]>> = {
  connecting: ["connecting", "Connecting to the stream of events."],
  live: ["live", "What happens is shown at once, by the stream of events."],
  polling: ["polling", "There is no stream of events. What is shown is read again every 15 seconds."],
  paused: ["paused", "This tab is hidden."],
};

const THEME_WORDS: Readonly<Record<Theme, string>> = { auto: "As the system", light: "Light", dark: "Dark" };

export function TopBar({ tenantName }: { readonly tenantName: string | undefined }) {
  const { names } = useTenants();
  const [, navigate] = useLocation();
  const [theme, setTheme] = useState(readTheme);
  const [word, meaning] = LIVE_WORDS[useLiveState()];
  const state = useLiveState();
  return (
    <header className="top">
      <Menu
        className="btn quiet tenant"
        label={`Tenant: ${tenantName ?? "none"}`}
        choices={(names ?? []).map((name) => ({
          id: name,
          text: name,
          isSelected: name === tenantName,
          // The page's other parameters are about the other tenant.
          onChoose: () => navigate(href(listOf(location.pathname), { tenant: name })),
        }))}
      >
        <span className="cut">{tenantName ?? (names === undefined ? <Ghost width={5} /> : "no tenant")}</span>
        <Icon name="down" size={12} />
      </Menu>
      <CommandBar tenantName={tenantName} />
      <span className="live" data-state={state} title={meaning} role="status" aria-label={`Updates: ${word}`}>
        <span>{word}</span>
      </span>
      <Menu
        className="btn quiet"
        label={`Theme: ${THEME_WORDS[theme]}`}
        choices={THEMES.map((one) => ({
          id: one,
          text: THEME_WORDS[one],
          isSelected: one === theme,
          onChoose: () => {
            applyTheme(one);
            setTheme(one);
          },
        }))}
      >
        <Icon name="theme" />
      </Menu>
      <UserMenu />
    </header>
  );
}

/** A single job or batch belongs to one tenant: another tenant begins at the list. */
const listOf = (path: string): string => (path.startsWith("/jobs/") ? "/batches" : `/${path.split("/")[1] ?? ""}`);

function UserMenu() {
  const { hasUsers } = useSession();
  const signInAgain = useSignInAgain();
  const me = useMe().data;
  const name = me?.name ?? "";
  const roles = me === undefined ? "" : me.roles.join(", ") || "no role";
  return (
    <Menu
      className="me"
      label={`Signed in as ${name}`}
      choices={[
        { id: "who", text: `${name} (${roles})`, onChoose: () => undefined },
        ...(hasUsers ? [{ id: "switch", text: "Sign in as another user", onChoose: signInAgain }] : []),
      ]}
    >
      {initialsOf(name)}
    </Menu>
  );
}

const initialsOf = (name: string): string =>
  name
    .split(/\s+/)
    .map((word) => String.fromCodePoint(word.codePointAt(0) ?? 0x20))
    .slice(0, 2)
    .join("")
    .toUpperCase();
