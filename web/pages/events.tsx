/** What happens in the tenant, as it happens. Nothing is kept: the list begins when the page is opened. */
import { useCallback, useState } from "react";
import { Link } from "wouter";
import { batchHref, jobHref, useParam } from "../components/address.ts";
import { CopyButton, shellWord } from "../components/copy.tsx";
import { DataTable, type Column } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Chip, FilterField } from "../components/filter-field.tsx";
import { PageHead } from "../components/page-head.tsx";
import { StateMark, type ShownState } from "../components/state-mark.tsx";
import { At } from "../components/times.tsx";
import { clockText, counted, localText, numberText, utcText } from "../components/time-text.ts";
import { useEvents, useLiveState, type LiveState } from "../data/live.ts";
import { useTenant } from "../data/session.ts";
import type { EventType, SystemEvent } from "../../runtime/core/job/events.ts";

/** Older ones are forgotten. */
const KEPT_MAX = 2_000;

const TITLES: Readonly<Record<EventType, string>> = {
  jobQueued: "queued",
  jobStarted: "started",
  jobProgressed: "progress",
  jobRetrying: "retrying",
  jobCompleted: "completed",
  batchCompleted: "batch completed",
};
const TYPES = Object.keys(TITLES) as EventType[];

interface Seen {
  /** Counts from 1. An event can arrive twice. */
  readonly number: number;
  readonly event: SystemEvent;
}

interface Held {
  readonly of: string | undefined;
  /** Newest first. */
  readonly seen: readonly Seen[];
  readonly count: number;
}

export function Page() {
  const tenantName = useTenant();
  const live = useLiveState();
  const [typeParam, setType] = useParam("type");
  const [text, setText] = useParam("text");
  const [held, setHeld] = useState<Held>({ of: tenantName, seen: [], count: 0 });
  const [paused, setPaused] = useState<readonly Seen[]>();
  useEvents(
    useCallback(
      (event: SystemEvent) =>
        setHeld(({ of, seen, count }) =>
          of === event.tenantName
            ? { of, seen: [{ number: count + 1, event }, ...seen].slice(0, KEPT_MAX), count: count + 1 }
            : { of: event.tenantName, seen: [{ number: 1, event }], count: 1 },
        ),
      [],
    ),
  );
  const type = TYPES.find((one) => one === typeParam);
  const all = held.of === tenantName ? held.seen : [];
  const rows = (paused ?? all).filter(({ event }) => fits(event, type, text));
  const newer = paused === undefined ? 0 : all.filter((one) => one.number > (paused[0]?.number ?? 0)).length;
  return (
    <>
      <PageHead
        title="Events"
        actions={
          <button
            type="button"
            className="btn"
            aria-pressed={paused !== undefined}
            onClick={() => setPaused(paused === undefined ? all : undefined)}
          >
            {paused === undefined ? "Pause" : newer === 0 ? "Go on" : `Go on (${numberText(newer)} new)`}
          </button>
        }
      />
      <div className="filters" role="group" aria-label="Kind of event">
        <Chip label="all" isChosen={type === undefined} onChoose={() => setType(undefined)} />
        {TYPES.map((one) => (
          <Chip key={one} label={TITLES[one]} isChosen={type === one} onChoose={() => setType(one)} />
        ))}
      </div>
      <div className="filters" role="group" aria-label="Filter">
        <FilterField label="Name, type, id or worker" value={text} onChange={setText} width={240} />
        <span className="muted small">{LIVE_TEXTS[live]}</span>
      </div>
      <DataTable
        label="Events"
        columns={COLUMNS}
        rows={rows}
        keyOf={({ number }) => String(number)}
        hrefOf={({ event }) => hrefOf(event)}
        empty={
          <Empty
            title={all.length === 0 ? "Nothing has happened yet" : "None of the events fits this filter"}
            cli={lineOf(tenantName)}
          >
            {all.length === 0
              ? "Events appear here from the moment on that you opened this page. In a terminal:"
              : `${counted(all.length, "event")} came since you opened this page. In a terminal:`}
          </Empty>
        }
        foot={
          <>
            <span className="muted">
              {counted(rows.length, "event")} shown, of the latest {numberText(KEPT_MAX)}
            </span>
            <span className="end">
              <CopyButton
                text={rows.map(({ event }) => JSON.stringify(event)).join("\n")}
                what="these events as lines of JSON"
              />
            </span>
          </>
        }
      />
    </>
  );
}

const LIVE_TEXTS: Readonly<Record<LiveState, string>> = {
  connecting: "The stream is being opened.",
  live: "Events arrive as they happen. A deployed stack publishes only ends, unless jobyard:events is all.",
  polling: "There is no stream now. It is tried again every 20 seconds; what happens until then is not shown here.",
  paused: "The tab was hidden, and the stream is closed.",
};

const lineOf = (tenantName: string | undefined): string => `jobyard events --tenant ${shellWord(tenantName ?? "demo")}`;

function fits(event: SystemEvent, type: EventType | undefined, text: string | undefined): boolean {
  if (type !== undefined && event.eventType !== type) return false;
  if (text === undefined) return true;
  const about = "jobId" in event ? [event.jobId, event.jobName, event.jobType] : [event.batchName];
  const worker = "workerId" in event ? event.workerId : "";
  return [event.batchId, ...about, worker, detailOf(event)].some((one) =>
    one.toLowerCase().includes(text.toLowerCase()),
  );
}

const hrefOf = (event: SystemEvent): string => ("jobId" in event ? jobHref(event.jobId) : batchHref(event.batchId));

const COLUMNS: readonly Column<Seen>[] = [
  {
    id: "at",
    title: "Time",
    width: "112px",
    cell: ({ event: { at } }) => (
      <time dateTime={at} title={`${localText(Date.parse(at))}\n${utcText(Date.parse(at))}`}>
        {clockText(Date.parse(at))}
      </time>
    ),
  },
  {
    id: "event",
    title: "Event",
    width: "148px",
    cell: ({ event }) => (
      // What has happened does not turn.
      <span className="still">
        <StateMark state={markOf(event)} word={wordOf(event)} />
      </span>
    ),
  },
  {
    id: "about",
    title: "Job or batch",
    cell: ({ event }) => (
      <>
        <Link className="name" href={hrefOf(event)}>
          {"jobId" in event ? event.jobName : event.batchName}
        </Link>
        <span className="sub">{"jobId" in event ? event.jobType : "batch"}</span>
      </>
    ),
  },
  { id: "detail", title: "Detail", width: "36%", hide: "small", cell: ({ event }) => <Detail event={event} /> },
];

function markOf(event: SystemEvent): ShownState {
  if (event.eventType === "batchCompleted") return event.status === "canceled" ? "canceled" : "succeeded";
  if (event.eventType === "jobQueued" || event.eventType === "jobRetrying")
    return event.runAt === undefined ? "queued" : "delayed";
  return event.status;
}

/** An end is told by its state. */
const wordOf = (event: SystemEvent): string =>
  event.eventType === "jobCompleted" ? event.status : TITLES[event.eventType];

function Detail({ event }: { readonly event: SystemEvent }) {
  const text = detailOf(event);
  return (
    <span className="muted" title={text}>
      {text}
      {"runAt" in event && event.runAt !== undefined ? (
        <>
          {" not before "}
          <At at={event.runAt} />
        </>
      ) : null}
    </span>
  );
}

function detailOf(event: SystemEvent): string {
  switch (event.eventType) {
    case "jobQueued":
      return "";
    case "jobStarted":
      return `start ${event.execution}, attempt ${event.attempt}, on ${event.workerId}`;
    case "jobProgressed": {
      const { fraction, text } = event.progress;
      return [fraction === undefined ? "" : `${Math.round(fraction * 100)} %`, text ?? ""].filter(Boolean).join(" ");
    }
    case "jobRetrying":
      return `${event.because}${event.failure === undefined ? "" : `: ${event.failure.message}`}`;
    case "jobCompleted":
      if (event.failure !== undefined) return `${event.failure.code}: ${event.failure.message}`;
      return event.artifactCount === 0 ? "" : counted(event.artifactCount, "file");
    case "batchCompleted":
      return `${event.status}, generation ${event.generation}`;
  }
}
