/** `jobyard timers`: lists timers and their ticks; pauses, resumes, reschedules or runs one. */
import type { JobServiceClient, TimerReference, TimerView } from "../../client/index.ts";
import { TICK_HORIZON_MIN_MS } from "../../core/limits.ts";
import { type RemoteOptions, connect, firstOf, show, showInstant, showState, tenantOf } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { parametersIn } from "../input.ts";
import { table } from "../table.ts";
import type { Surroundings, Terminal } from "../terminal.ts";
import { watchJob } from "../watching.ts";

interface TimerOptions extends RemoteOptions {
  readonly tenant?: string;
}

interface ListOptions extends TimerOptions {
  readonly limit: number;
}

interface NextOptions extends TimerOptions {
  readonly count: number;
}

interface ScheduleOptions extends TimerOptions {
  readonly timeZone?: string;
  readonly declared?: true;
}

interface RunOptions extends TimerOptions {
  readonly parameters?: string;
  readonly wait?: true;
}

export async function listTimers(options: ListOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const client = await connect(options, around);
  const tenantName = await tenantOf(client, options.tenant, around);
  const pageSize = Math.min(1_000, options.limit);
  const items = await firstOf(client.timers.list(tenantName, { pageSize, signal }), options.limit);
  show(terminal, options, { items }, () => describeAll(items, terminal));
  const doubtful = items.filter(({ warnings }) => warnings !== undefined).map(nameOf);
  if (doubtful.length > 0) {
    terminal.error(`Warning: check the schedule of ${doubtful.join(", ")}. "jobyard timers show" gives the reason.`);
  }
}

export async function showTimer(options: TimerOptions, around: Surroundings, name: string): Promise<void> {
  const { client, timer } = await resolve(name, options, around);
  const view = await client.timers.get(timer, { signal: around.signal });
  show(around.terminal, options, view, () => describe(view, around.terminal));
}

export async function nextTicks(options: NextOptions, around: Surroundings, name: string): Promise<void> {
  const { client, timer } = await resolve(name, options, around);
  const ticks = await client.timers.next(timer, { count: options.count, signal: around.signal });
  const items = ticks.map((tick) => tick.toISOString());
  const now = new Date();
  show(around.terminal, options, { items }, () =>
    table(
      ["utc", "from now"],
      items.map((instant) => [showInstant(instant), showRelative(instant, now)]),
      { ...around.terminal, empty: "No more ticks." },
    ),
  );
}

const changing =
  (change: "pause" | "resume") =>
  async (options: TimerOptions, around: Surroundings, name: string): Promise<void> => {
    const { client, timer } = await resolve(name, options, around);
    const view = await client.timers[change](timer, { signal: around.signal });
    show(around.terminal, options, view, () =>
      view.enabled
        ? `${name} ticks next ${showInstant(view.next)} (UTC).`
        : `${name} is paused since ${showInstant(view.pausedAt)} (UTC).`,
    );
  };

export const pauseTimer = changing("pause");
export const resumeTimer = changing("resume");

export async function scheduleTimer(
  options: ScheduleOptions,
  around: Surroundings,
  name: string,
  cron: string | undefined,
): Promise<void> {
  if ((cron === undefined) !== (options.declared === true))
    throw new UsageError("Give either a schedule or --declared.");
  const { client, timer } = await resolve(name, options, around);
  const { signal } = around;
  const view =
    cron === undefined
      ? await client.timers.resetSchedule(timer, { signal })
      : await client.timers.setSchedule(timer, { cron, timeZone: options.timeZone }, { signal });
  show(around.terminal, options, view, () =>
    view.enabled
      ? `${name} ticks by ${scheduleOf(view)}, next ${showInstant(view.next)} (UTC).`
      : `${name} ticks by ${scheduleOf(view)} when it is resumed.`,
  );
}

export async function runTimer(options: RunOptions, around: Surroundings, name: string): Promise<void> {
  const parameters = options.parameters === undefined ? undefined : await parametersIn(options.parameters, around);
  const { client, timer } = await resolve(name, options, around);
  const jobId = await client.timers.run(timer, { parameters, signal: around.signal });
  if (options.wait) await watchJob(client, jobId, options, around);
  else show(around.terminal, options, { jobId }, () => jobId);
}

async function resolve(
  name: string,
  options: TimerOptions,
  around: Surroundings,
): Promise<{ readonly client: JobServiceClient; readonly timer: TimerReference }> {
  // Package names can contain dots, timer names cannot.
  const dot = name.lastIndexOf(".");
  if (dot < 1 || dot === name.length - 1) {
    throw new UsageError(`Use the form package.timer, as in the list, not ${name}.`);
  }
  const client = await connect(options, around);
  const tenantName = await tenantOf(client, options.tenant, around);
  return { client, timer: { tenantName, packageName: `${name.slice(0, dot)}.zip`, timerName: name.slice(dot + 1) } };
}

const nameOf = ({ packageName, timerName }: TimerView): string => `${packageName.replace(/\.zip$/, "")}.${timerName}`;

/** UTC is not printed. */
const scheduleOf = ({ cron, timeZone, override }: TimerView): string =>
  `${timeZone === "UTC" ? cron : `${cron} ${timeZone}`}${override === undefined ? "" : " (overridden)"}`;

function describeAll(timers: readonly TimerView[], terminal: Terminal): string {
  const now = new Date();
  return table(
    ["timer", { title: "schedule", shortens: true }, "next", "last", "result", "missed/skipped"],
    timers.map((timer) => [
      nameOf(timer),
      scheduleOf(timer),
      timer.enabled
        ? `${showRelative(timer.next, now)}${unsent(timer, now, terminal)}`
        : terminal.paint("yellow", "paused"),
      showRelative(timer.lastStartedAt ?? timer.lastScheduledAt, now),
      timer.lastResult === undefined ? "-" : showState(terminal, timer.lastResult),
      `${timer.missedCount}/${timer.skippedCount}`,
    ]),
    { ...terminal, empty: "No timers." },
  );
}

/** Ticks this near have normally been sent. */
const SENT_BEFORE_MS = TICK_HORIZON_MIN_MS;

function unsent({ next, sentUpTo }: TimerView, now: Date, terminal: Terminal): string {
  if (next === undefined || Date.parse(next) > now.getTime() + SENT_BEFORE_MS) return "";
  return sentUpTo === undefined || sentUpTo < next ? ` ${terminal.paint("yellow", "not sent")}` : "";
}

function describe(timer: TimerView, terminal: Terminal): string {
  const now = new Date();
  const at = (instant: string | undefined): string =>
    instant === undefined ? "-" : `${showInstant(instant)} (${showRelative(instant, now)})`;
  const { misfire, lastResult, lastJobId, lastWorkerId, override } = timer;
  const since = (instant: string | undefined): string => (instant === undefined ? "" : `, the latest ${at(instant)}`);
  return [
    nameOf(timer),
    `  schedule  ${timer.cron}, ${timer.timeZone}`,
    ...(timer.warnings ?? []).map((warning) => `  ${terminal.paint("yellow", "warning")}   ${warning}`),
    ...(override === undefined
      ? []
      : [
          `  declared  ${override.declaredCron}, ${override.declaredTimeZone}; ` +
            `overridden ${at(override.setAt)} by ${override.setBy}`,
        ]),
    `  state     ${timer.enabled ? "enabled" : `paused ${at(timer.pausedAt)} by ${timer.pausedBy ?? "?"}`}`,
    `  next      ${at(timer.next)}${unsent(timer, now, terminal)}`,
    `  sent      ${timer.sentUpTo === undefined ? "nothing yet" : `up to ${at(timer.sentUpTo)}`}`,
    `  last tick ${at(timer.lastScheduledAt)}`,
    `  last run  ${at(timer.lastStartedAt)}${timer.lastFinishedAt === undefined ? "" : `, until ${at(timer.lastFinishedAt)}`}`,
    ...(lastResult === undefined
      ? []
      : [`  result    ${showState(terminal, lastResult)}${lastWorkerId === undefined ? "" : ` on ${lastWorkerId}`}`]),
    ...(lastJobId === undefined ? [] : [`  job       ${lastJobId}`]),
    `  missed    ${timer.missedCount}${since(timer.lastMissedAt)}`,
    `  skipped   ${timer.skippedCount}${since(timer.lastSkippedAt)}`,
    `  waiting   ${timer.waitingCount}`,
    `  policy    misfire ${typeof misfire === "string" ? misfire : `all (${misfire.all})`}, overlap ${timer.overlap}, ` +
      `grace ${timer.graceSeconds} s${timer.runOnDeploy ? ", also runs when deployed" : ""}`,
    `  workers   pool ${timer.pool}, priority ${timer.priority}`,
    `  batch     ${timer.batchId}`,
  ].join("\n");
}

/** The time until or since an instant, rounded for people. */
const UNITS: readonly (readonly [unit: string, seconds: number])[] = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
];

/** "in 3 min", "2 h ago", "now"; a dash if it is absent. */
export function showRelative(instant: string | undefined, now: Date): string {
  if (instant === undefined) return "-";
  const seconds = Math.round((new Date(instant).getTime() - now.getTime()) / 1_000);
  // A unit is used from twice its length: 90 minutes are shown as minutes.
  const found = UNITS.find(([unit, size]) => Math.abs(seconds) >= (unit === "s" ? 1 : 2 * size));
  if (found === undefined) return "now";
  const [unit, size] = found;
  const text = `${Math.round(Math.abs(seconds) / size)} ${unit}`;
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}
