/** `jobyard timers`: when packages run by themselves, pausing one, running one now. */
import { Command } from "commander";
import type { JobServiceClient, TimerReference, TimerView } from "../../client/index.ts";
import { TIMER_OCCURRENCES_DEFAULT, TIMER_OCCURRENCES_MAX } from "../../core/limits.ts";
import {
  connect,
  firstOf,
  remoteCommand,
  show,
  showInstant,
  showState,
  tenantOf,
  wholeNumber,
  type RemoteOptions,
} from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { showRelative } from "../relative-time.ts";
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

interface RunOptions extends TimerOptions {
  readonly wait?: true;
}

export const timersCommand = (around: Surroundings): Command =>
  new Command("timers")
    .description("List a tenant's timers; look at one, pause it, resume it, run it now.")
    .addCommand(listCommand(around), { isDefault: true })
    .addCommand(showCommand(around))
    .addCommand(nextCommand(around))
    .addCommand(changeCommand("pause", "Let its ticks start nothing, until it is resumed.", around))
    .addCommand(changeCommand("resume", "Let it tick again, from now on.", around))
    .addCommand(runCommand(around));

const timersOf = (name: string, description: string, examples: readonly string[]): Command =>
  remoteCommand(name, description, examples).option("-t, --tenant <name>", "whose (default: your only tenant)");

const timerCommand = (name: string, description: string, examples: readonly string[]): Command =>
  timersOf(name, description, examples).argument("<timer>", "package.timer, as the list has it");

const listCommand = (around: Surroundings): Command =>
  timersOf("list", "List them, with the next and the latest run of each.", ["timers --tenant demo"])
    .option("-n, --limit <count>", "at most so many", wholeNumber(1, 1_000_000), 200)
    .action(async (options: ListOptions) => {
      const { terminal, signal } = around;
      const client = await connect(options, around);
      const tenantName = await tenantOf(client, options.tenant, around);
      const pageSize = Math.min(1_000, options.limit);
      const items = await firstOf(client.timers.list(tenantName, { pageSize, signal }), options.limit);
      show(terminal, options, { items }, () => describeAll(items, terminal));
      const doubtful = items.filter(({ warnings }) => warnings !== undefined).map(nameOf);
      if (doubtful.length > 0) {
        terminal.error(`Warning: look at the schedule of ${doubtful.join(", ")}: "jobyard timers show" says why.`);
      }
    });

const showCommand = (around: Surroundings): Command =>
  timerCommand("show", "Look at one.", ["timers show metadata-export.metadata-export"]).action(
    async (name: string, options: TimerOptions) => {
      const { client, timer } = await resolve(name, options, around);
      const view = await client.timers.get(timer, { signal: around.signal });
      show(around.terminal, options, view, () => describe(view, around.terminal));
    },
  );

const nextCommand = (around: Surroundings): Command =>
  timerCommand("next", "See when it ticks next.", ["timers next metadata-export.metadata-export --count 20"])
    .option("-n, --count <count>", "how many", wholeNumber(1, TIMER_OCCURRENCES_MAX), TIMER_OCCURRENCES_DEFAULT)
    .action(async (name: string, { count, ...options }: NextOptions) => {
      const { client, timer } = await resolve(name, options, around);
      const ticks = await client.timers.next(timer, { count, signal: around.signal });
      const items = ticks.map((tick) => tick.toISOString());
      const now = new Date();
      show(around.terminal, options, { items }, () =>
        table(
          ["utc", "from now"],
          items.map((instant) => [showInstant(instant), showRelative(instant, now)]),
          { ...around.terminal, empty: "Never again." },
        ),
      );
    });

const changeCommand = (name: "pause" | "resume", description: string, around: Surroundings): Command =>
  timerCommand(name, description, [`timers ${name} metadata-export.metadata-export`]).action(
    async (named: string, options: TimerOptions) => {
      const { client, timer } = await resolve(named, options, around);
      const view = await client.timers[name](timer, { signal: around.signal });
      show(around.terminal, options, view, () =>
        view.enabled
          ? `${named} ticks next ${showInstant(view.next)} (UTC).`
          : `${named} is paused since ${showInstant(view.pausedAt)} (UTC).`,
      );
    },
  );

const runCommand = (around: Surroundings): Command =>
  timerCommand("run", "Run it now, beside its schedule.", ["timers run metadata-export.metadata-export --wait"])
    .option("-w, --wait", "until the run has ended; exit code 5 unless it succeeded")
    .action(async (name: string, options: RunOptions) => {
      const { client, timer } = await resolve(name, options, around);
      const jobId = await client.timers.run(timer, { signal: around.signal });
      if (options.wait) await watchJob(client, jobId, options, around);
      else show(around.terminal, options, { jobId }, () => jobId);
    });

async function resolve(
  name: string,
  options: TimerOptions,
  around: Surroundings,
): Promise<{ readonly client: JobServiceClient; readonly timer: TimerReference }> {
  // The names of packages may have dots, those of timers have none.
  const dot = name.lastIndexOf(".");
  if (dot < 1 || dot === name.length - 1) {
    throw new UsageError(`Name the timer as the list does, package.timer, not ${name}.`);
  }
  const client = await connect(options, around);
  const tenantName = await tenantOf(client, options.tenant, around);
  return { client, timer: { tenantName, packageName: `${name.slice(0, dot)}.zip`, timerName: name.slice(dot + 1) } };
}

const nameOf = ({ packageName, timerName }: TimerView): string => `${packageName.replace(/\.zip$/, "")}.${timerName}`;

/** UTC goes without saying. */
const scheduleOf = ({ cron, timeZone }: TimerView): string => (timeZone === "UTC" ? cron : `${cron} ${timeZone}`);

function describeAll(timers: readonly TimerView[], terminal: Terminal): string {
  const now = new Date();
  return table(
    ["timer", { title: "schedule", shortens: true }, "next", "last", "result", "missed/skipped"],
    timers.map((timer) => [
      nameOf(timer),
      scheduleOf(timer),
      timer.enabled ? showRelative(timer.next, now) : terminal.paint("yellow", "paused"),
      showRelative(timer.lastStartedAt ?? timer.lastScheduledAt, now),
      timer.lastResult === undefined ? "-" : showState(terminal, timer.lastResult),
      `${timer.missedCount}/${timer.skippedCount}`,
    ]),
    { ...terminal, empty: "No timers." },
  );
}

function describe(timer: TimerView, terminal: Terminal): string {
  const now = new Date();
  const at = (instant: string | undefined): string =>
    instant === undefined ? "-" : `${showInstant(instant)} (${showRelative(instant, now)})`;
  const { misfire, lastResult, lastJobId, lastWorkerId } = timer;
  const since = (instant: string | undefined): string => (instant === undefined ? "" : `, the latest ${at(instant)}`);
  return [
    nameOf(timer),
    `  schedule  ${timer.cron}, ${timer.timeZone}`,
    ...(timer.warnings ?? []).map((warning) => `  ${terminal.paint("yellow", "warning")}   ${warning}`),
    `  state     ${timer.enabled ? "enabled" : `paused ${at(timer.pausedAt)} by ${timer.pausedBy ?? "?"}`}`,
    `  next      ${at(timer.next)}`,
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
