/** The actions that run, with their counts, and the latest one for a minute after its end. */
import { Link } from "wouter";
import { href } from "../../components/address.ts";
import { useNow } from "../../components/clock.ts";
import { StateMark } from "../../components/state-mark.tsx";
import { useActions } from "../../data/actions.ts";
import type { ActionView } from "../../../runtime/client/index.ts";
import { ACTION_MARKS, countsText, StopAction } from "../actions.tsx";

const SHOWN_AFTER_END_MS = 60_000;

export function RunningActions({ tenantName }: { readonly tenantName: string | undefined }) {
  const { items = [] } = useActions(tenantName);
  const now = useNow();
  const shown = items.filter((action) => !action.dryRun && isFresh(action, now));
  if (shown.length === 0) return null;
  return (
    <section className="panel actions-running" aria-label="Actions">
      <div className="lines">
        {shown.map((action) => (
          <div key={action.actionId}>
            <StateMark state={ACTION_MARKS[action.state]} word={action.kind} />
            <span className="x cut" role="status">
              {countsText(action)}
            </span>
            <StopAction action={action} />
            <Link className="link hide-small" href={href("/actions", { tenant: tenantName })}>
              All actions
            </Link>
          </div>
        ))}
      </div>
    </section>
  );
}

const isFresh = ({ state, endedAt }: ActionView, now: number): boolean =>
  state === "running" || (endedAt !== undefined && Date.parse(endedAt) > now - SHOWN_AFTER_END_MS);
