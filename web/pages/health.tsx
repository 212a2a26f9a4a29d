/** Whether each part works: what the API cannot reach, versions, clocks, workers that are silent. */
import { href } from "../components/address.ts";
import { CliLine } from "../components/copy.tsx";
import { ErrorNote, Shown } from "../components/error-note.tsx";
import { Ghost } from "../components/ghost.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Facts, Panel } from "../components/panel.tsx";
import { StateMark } from "../components/state-mark.tsx";
import { Ago } from "../components/times.tsx";
import { counted, durationText } from "../components/time-text.ts";
import { HEALTH_EVERY_MS, useHealth, type Health } from "../data/health.ts";
import { useAudit } from "../data/access.ts";
import { useLiveState, type LiveState } from "../data/live.ts";
import { useWorkers } from "../data/overview.ts";
import { useAccess } from "../data/session.ts";
import { useSystem } from "../data/system.ts";
import { SWEEP_OPERATION } from "../../runtime/core/audit.ts";
import { Programs } from "./health/programs.tsx";
import type { WorkerView } from "../../runtime/client/index.ts";

/** A browser's clock that is further off makes "3 s ago" wrong. */
const CLOCK_OFF_MS = 2_000;

const LIVE_WORDS: Readonly<Record<LiveState, string>> = {
  live: "live: events arrive as they happen",
  connecting: "connecting to the stream of events",
  polling: "no stream of events; the page is read again now and then",
  paused: "paused while the tab is hidden",
};

export function Page() {
  const health = useHealth();
  const { allowed, reason } = useAccess("operate");
  const workers = useWorkers(allowed, HEALTH_EVERY_MS);
  const live = useLiveState();
  const system = useSystem(allowed);
  const programs = system.data?.programs ?? [];
  return (
    <>
      <PageHead title="Health">
        {health.data === undefined || health.error !== null ? null : <Whole health={health.data} />}
      </PageHead>
      <div className="stack">
        {health.error === null ? null : (
          <ErrorNote error={health.error} what="The API does not answer." onRetry={() => void health.refetch()} />
        )}
        <div className="two">
          <Panel title="Parts">
            {health.data === undefined ? <Ghost width={20} /> : <Parts health={health.data} />}
          </Panel>
          <Panel title="This page">
            <div className="lines">
              <div>
                <StateMark state={live === "live" ? "succeeded" : "delayed"} word={LIVE_WORDS[live]} />
              </div>
              {health.data === undefined ? null : <Clock health={health.data} />}
            </div>
          </Panel>
          <Panel title="Workers" more={{ href: "/workers", title: "Workers" }}>
            {!allowed ? (
              <p className="muted">{reason}</p>
            ) : (
              <Shown error={workers.error} isRead={workers.data !== undefined} what="The workers cannot be shown.">
                <Workers workers={workers.data} />
              </Shown>
            )}
          </Panel>
          <Panel title="Sweeper" more={{ href: href("/access", REPAIRS), title: "All repairs" }}>
            {allowed ? (
              <div className="stack">
                <LastSweep system={system} />
                <Repairs />
              </div>
            ) : (
              <p className="muted">{reason}</p>
            )}
          </Panel>
          <Panel title="In a terminal">
            <div className="stack">
              <p className="muted">The same answer, for load balancers and scripts. It needs no token.</p>
              <CliLine line={`curl -s ${location.origin}/readyz`} />
              {programs.length === 0 ? null : (
                <>
                  <p className="muted">
                    All programs of <code>npm start</code>. One that ends is started again.
                  </p>
                  <CliLine line="jobyard system" />
                </>
              )}
            </div>
          </Panel>
        </div>
        {programs.length === 0 ? null : <Programs programs={programs} />}
      </div>
    </>
  );
}

const Whole = ({ health: { body } }: { readonly health: Health }) =>
  body.status === "ok" ? (
    <StateMark state="succeeded" word="works" />
  ) : (
    <StateMark state="failed" word="a part is away" />
  );

function Parts({ health: { body, askedAt, tookMs } }: { readonly health: Health }) {
  return (
    <>
      <div className="lines">
        <div>
          <span className="x">API</span>
          <StateMark state="succeeded" word={`answers in ${durationText(tookMs)}`} />
        </div>
        {body.notReady?.map(({ part, since }) => (
          <div key={part}>
            <span className="x">{part}</span>
            <StateMark state="failed" word="away" />
            <span className="muted">
              since <Ago at={since} />
            </span>
          </div>
        ))}
        {body.status === "ok" ? (
          <div>
            <span className="x">Storage and message broker</span>
            <StateMark state="succeeded" word="reached" />
          </div>
        ) : null}
        {body.unreadable?.map((format) => (
          <div key={format}>
            <span className="x">{format}</span>
            <StateMark state="canceled" word="written by another release" />
          </div>
        ))}
      </div>
      <p className="muted small">
        Asked <Ago at={new Date(askedAt).toISOString()} />. The log of the API has the reasons.
      </p>
    </>
  );
}

function LastSweep({
  system: { data, error },
}: {
  readonly system: Pick<ReturnType<typeof useSystem>, "data" | "error">;
}) {
  // A part that is away is said above, and what was read before still holds.
  if (data === undefined) return error === null ? <Ghost width={20} /> : null;
  if (data.sweptAt === undefined)
    return <p className="muted">Last sweep: not known. The first is half a minute after the start.</p>;
  return (
    <p>
      Last sweep: <Ago at={data.sweptAt} />
    </p>
  );
}

const REPAIRS = { tab: "system", operation: SWEEP_OPERATION };
const REPAIRS_SHOWN = 3;

/** What the sweeper had to put right: normally nothing. */
function Repairs() {
  const { items, error } = useAudit(undefined, { actor: undefined, operation: SWEEP_OPERATION }, true);
  return (
    <Shown error={error} isRead={items !== undefined} what="The repairs cannot be shown.">
      {items === undefined ? <Ghost width={20} /> : null}
      {items?.length === 0 ? <p className="muted">No repairs.</p> : null}
      <div className="lines">
        {items?.slice(0, REPAIRS_SHOWN).map(({ at, requestId, after = {} }) => (
          <div key={requestId}>
            <span className="x">{repairText(after)}</span>
            <span className="muted">
              <Ago at={at} />
            </span>
          </div>
        ))}
      </div>
    </Shown>
  );
}

const REPAIR_TEXTS: Readonly<Record<string, (count: number) => string>> = {
  bellsSent: (count) => `${counted(count, "lost bell")} sent again`,
  handedBack: (count) => `${counted(count, "job")} of dead workers handed back`,
  canceled: (count) => `${counted(count, "job")} canceled`,
  deadLettersRemoved: (count) => `${counted(count, "dead letter")} removed`,
};

function repairText(after: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(REPAIR_TEXTS).flatMap(([name, text]) => {
    const count = Number(after[name] ?? 0);
    return count > 0 ? [text(count)] : [];
  });
  return parts.join(", ");
}

function Clock({ health: { clockAheadMs } }: { readonly health: Health }) {
  if (clockAheadMs === undefined) return null;
  const isOff = Math.abs(clockAheadMs) > CLOCK_OFF_MS;
  const way = clockAheadMs > 0 ? "behind" : "ahead of";
  return (
    <div>
      {isOff ? (
        <StateMark state="failed" word={`Its clock is ${durationText(Math.abs(clockAheadMs))} ${way} the API's`} />
      ) : (
        <StateMark state="succeeded" word="Its clock agrees with the API's" />
      )}
    </div>
  );
}

function Workers({ workers }: { readonly workers: readonly WorkerView[] | undefined }) {
  if (workers === undefined) return <Ghost width={20} />;
  const silent = workers.filter(({ state }) => state === "silent");
  const alive = workers.filter(({ state }) => state === "running" || state === "draining");
  const versions = Map.groupBy(alive, ({ version }) => version);
  return (
    <div className="stack">
      <div className="lines">
        <div>
          {alive.length === 0 ? (
            <StateMark state="failed" word="No worker runs: queued jobs wait" />
          ) : (
            <StateMark state="succeeded" word={`${counted(alive.length, "worker")} with heartbeats`} />
          )}
        </div>
        {silent.map(({ pool, workerId, heartbeatAt }) => (
          <div key={`${pool}/${workerId}`}>
            <StateMark state="failed" word="silent" />
            <span className="x cut">
              {pool}/{workerId}
            </span>
            <span className="muted">
              <Ago at={heartbeatAt} />
            </span>
          </div>
        ))}
      </div>
      <Facts
        of={[...versions].map(([version, ones]) => [
          versions.size > 1 ? "Version, one of several" : "Version",
          `${version} on ${counted(ones.length, "worker")}`,
        ])}
      />
    </div>
  );
}
