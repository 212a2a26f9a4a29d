/** Operations on timers, which packages declare: read, pause, resume, change the schedule, run now. */
import type { Change, LooseFacts } from "../../core/audit.ts";
import { believedTimer } from "../../core/timer/believed.ts";
import { NotFoundError, UnavailableError } from "../../core/errors.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { PackageCatalog } from "../../core/ports/package-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import { emptySchema, submitHeaders } from "../../core/http/requests.ts";
import {
  listTimersSchema,
  nextOccurrencesSchema,
  occurrences,
  occurrencesSchema,
  timerParams,
  timerScheduleSchema,
  timersParams,
  timerView,
  timerViewSchema,
  type TimerView,
  runTimerSchema,
} from "../../core/http/timer-api.ts";
import { batchIdOf, type Timer, type TimerName } from "../../core/timer/timer.ts";
import { pageSchema, pageView, submittedSchema } from "../../core/http/views.ts";
import type { Caller } from "../auth/caller.ts";
import { assertNotErasing } from "../erase/begin-erasure.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";
import { CREATED, REPLAYED, createdReply } from "./created-reply.ts";
import type { RunTimer } from "../submit/run-timer.ts";
import type { Clock } from "../../core/clock.ts";

export interface TimerOperationDeps {
  readonly timers: Pick<TimerStore, "get" | "list" | "run" | "write">;
  readonly jobs: Pick<JobStore, "get">;
  readonly packages: Pick<PackageCatalog, "get">;
  readonly runTimer: RunTimer;
  readonly pauseBoard: Pick<PauseBoard, "current">;
  /** Starts a round of this process's scheduler at once. */
  readonly wakeScheduler: () => void;
  readonly now: Clock["now"];
  /** Throws UnavailableError when this process's clock cannot be trusted. No timer may start by such a clock. */
  readonly trustedNow: () => Date;
}

const TIMER_PATH = "/v1/tenants/{tenantName}/timers/{packageName}/{timerName}";
/** Timers whose state is read at the same time. */
const VIEW_GROUP = 50;
/** Schedulers write to a timer every few minutes only, so this many conflicts are an outage. */
const CHANGE_TRIES = 100;

export const timerOperations = (deps: TimerOperationDeps): readonly Operation[] => [
  listTimers(deps),
  getTimer(deps),
  nextOccurrences(deps),
  pauseTimer(deps),
  resumeTimer(deps),
  setTimerSchedule(deps),
  resetTimerSchedule(deps),
  runTimerNow(deps),
];

const listTimers = (deps: TimerOperationDeps) =>
  operation({
    id: "listTimers",
    method: "get",
    path: "/v1/tenants/{tenantName}/timers",
    tag: "Timers",
    summary: "List a tenant's timers",
    needs: "read",
    params: timersParams,
    query: listTimersSchema,
    responses: {
      200: { description: "A page, by package and name.", schema: pageSchema("TimerPage", timerViewSchema) },
    },
    errors: [],
    async handle({ caller, params: { tenantName }, query }) {
      // A tenant of others answers like a tenant without timers.
      if (!caller.mayUse(tenantName)) return { status: 200, body: { items: [] } };
      const page = await deps.timers.list(tenantName, query);
      const views: TimerView[] = [];
      for (let i = 0; i < page.items.length; i += VIEW_GROUP) {
        views.push(...(await Promise.all(page.items.slice(i, i + VIEW_GROUP).map((timer) => viewOf(deps, timer)))));
      }
      return { status: 200, body: pageView({ ...page, items: views }, (one) => one) };
    },
  });

const getTimer = (deps: TimerOperationDeps) =>
  operation({
    id: "getTimer",
    method: "get",
    path: TIMER_PATH,
    tag: "Timers",
    summary: "Get a timer",
    needs: "read",
    params: timerParams,
    responses: { 200: { description: "The timer with its latest run.", schema: timerViewSchema } },
    errors: ["TimerNotFound"],
    handle: async ({ caller, params }) => ({
      status: 200,
      body: await viewOf(deps, (await findTimer(deps.timers, caller, params)).value),
    }),
  });

const nextOccurrences = ({ timers, now }: TimerOperationDeps) =>
  operation({
    id: "listTimerOccurrences",
    method: "get",
    path: `${TIMER_PATH}/next`,
    tag: "Timers",
    summary: "List the next ticks of a timer",
    description: "By its schedule, also while it is paused. Fewer if the schedule has no more ticks within 40 years.",
    needs: "read",
    params: timerParams,
    query: nextOccurrencesSchema,
    responses: { 200: { description: "Later than now, in order.", schema: occurrencesSchema } },
    errors: ["TimerNotFound"],
    async handle({ caller, params, query }) {
      const { value: timer } = await findTimer(timers, caller, params);
      return { status: 200, body: { items: occurrences(timer, now(), query.count) } };
    },
  });

const pauseTimer = (deps: TimerOperationDeps) =>
  operation({
    id: "pauseTimer",
    method: "post",
    path: `${TIMER_PATH}/pause`,
    tag: "Timers",
    summary: "Pause a timer",
    description:
      "Its ticks start no runs until it is resumed, also with new versions of its package. A run that has started goes on.",
    needs: "manage",
    params: timerParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 200: { description: "The timer, paused.", schema: timerViewSchema } },
    errors: ["TimerNotFound"],
    async handle({ caller, params, changed }) {
      const paused = await changeTimer({ ...deps, caller, changed }, params, (timer) =>
        timer.pausedAt === undefined ? { ...timer, pausedAt: deps.now(), pausedBy: caller.name } : undefined,
      );
      return { status: 200, body: await viewOf(deps, paused) };
    },
  });

const resumeTimer = (deps: TimerOperationDeps) =>
  operation({
    id: "resumeTimer",
    method: "post",
    path: `${TIMER_PATH}/resume`,
    tag: "Timers",
    summary: "Resume a timer",
    description: "It ticks from now on. Ticks that were due while it was paused are not made up for.",
    needs: "manage",
    params: timerParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 200: { description: "The timer, ticking.", schema: timerViewSchema } },
    errors: ["TimerNotFound"],
    async handle({ caller, params, changed }) {
      const resumed = await changeTimer({ ...deps, caller, changed }, params, (timer) => {
        const at = deps.trustedNow();
        const believed = believedTimer(timer, at);
        if (timer.pausedAt !== undefined) {
          return { ...believed, pausedAt: undefined, pausedBy: undefined, activeFrom: at };
        }
        // Also corrects times that were written by a wrong clock.
        return isSameTimes(believed, timer) ? undefined : believed;
      });
      deps.wakeScheduler();
      return { status: 200, body: await viewOf(deps, resumed) };
    },
  });

const isSameTimes = (a: Timer, b: Timer): boolean =>
  a.activeFrom.getTime() === b.activeFrom.getTime() && a.scheduledUpTo.getTime() === b.scheduledUpTo.getTime();

const setTimerSchedule = (deps: TimerOperationDeps) =>
  operation({
    id: "setTimerSchedule",
    method: "put",
    path: `${TIMER_PATH}/schedule`,
    tag: "Timers",
    summary: "Set the schedule of a timer",
    description:
      "Replaces the schedule that its package declares, also with new versions of the package, until it is reset. " +
      "The timer ticks by it from now on. Ticks that were due before are not made up for.",
    needs: "manage",
    params: timerParams,
    body: jsonBody(timerScheduleSchema),
    responses: { 200: { description: "The timer, with its schedule.", schema: timerViewSchema } },
    errors: ["TimerNotFound"],
    async handle({ caller, params, body: { cron, timeZone }, changed }) {
      const scheduled = await changeTimer({ ...deps, caller, changed }, params, (timer) => {
        if (timer.override !== undefined && timer.cron === cron && timer.timeZone === timeZone) return undefined;
        const { declaredCron, declaredTimeZone } = timer.override ?? {
          declaredCron: timer.cron,
          declaredTimeZone: timer.timeZone,
        };
        const override = { declaredCron, declaredTimeZone, setAt: deps.trustedNow(), setBy: caller.name };
        return rescheduled(timer, deps.trustedNow(), { cron, timeZone, override });
      });
      deps.wakeScheduler();
      return { status: 200, body: await viewOf(deps, scheduled) };
    },
  });

const resetTimerSchedule = (deps: TimerOperationDeps) =>
  operation({
    id: "resetTimerSchedule",
    method: "delete",
    path: `${TIMER_PATH}/schedule`,
    tag: "Timers",
    summary: "Reset a timer to the schedule of its package",
    description: "Does nothing if the timer has no schedule of its own.",
    needs: "manage",
    params: timerParams,
    responses: { 200: { description: "The timer, with the schedule of its package.", schema: timerViewSchema } },
    errors: ["TimerNotFound"],
    async handle({ caller, params, changed }) {
      const reset = await changeTimer({ ...deps, caller, changed }, params, (timer) => {
        if (timer.override === undefined) return undefined;
        const { declaredCron: cron, declaredTimeZone: timeZone } = timer.override;
        return rescheduled(timer, deps.trustedNow(), { cron, timeZone, override: undefined });
      });
      deps.wakeScheduler();
      return { status: 200, body: await viewOf(deps, reset) };
    },
  });

/** The timer with another schedule, which applies from `at` on. */
const rescheduled = (timer: Timer, at: Date, schedule: Pick<Timer, "cron" | "timeZone" | "override">): Timer => ({
  ...timer,
  ...schedule,
  activeFrom: at,
  scheduledUpTo: at,
});

const runTimerNow = (deps: TimerOperationDeps) =>
  operation({
    id: "runTimer",
    method: "post",
    path: `${TIMER_PATH}/run`,
    tag: "Timers",
    summary: "Run a timer now",
    description:
      "Independently of its schedule, also while it is paused. If a run has not ended, the timer's `overlap` decides " +
      "whether the new run is skipped, waits or runs at the same time.",
    needs: "submit",
    params: timerParams,
    headers: submitHeaders,
    body: jsonBody(runTimerSchema, { required: false }),
    responses: {
      201: { description: "The run is accepted.", schema: submittedSchema, headers: CREATED },
      200: { description: "The run an earlier request started.", schema: submittedSchema, headers: REPLAYED },
    },
    errors: ["TimerNotFound", "IdempotencyKeyReused", "TenantErasing"],
    async handle({ caller, params, headers, body, changed }) {
      const { value: timer } = await findTimer(deps.timers, caller, params);
      assertNotErasing(deps.pauseBoard, timer.tenantName);
      await assertCurrent(deps.packages, timer);
      const { replayed, ...submitted } = await deps.runTimer(caller, timer, {
        idempotencyKey: headers["idempotency-key"],
        parameters: body.parameters,
      });
      changed({ after: { jobId: submitted.jobId, ...(replayed && { replayed }) } });
      return createdReply(`/v1/jobs/${submitted.jobId}`, submitted, replayed);
    },
  });

/** Throws TimerNotFound, also for timers of other tenants. */
async function findTimer(timers: Pick<TimerStore, "get">, caller: Caller, name: TimerName): Promise<Stored<Timer>> {
  const stored = caller.mayUse(name.tenantName) ? await timers.get(name) : undefined;
  if (stored === undefined) throw noSuchTimer(name);
  return stored;
}

async function viewOf({ timers, jobs, now }: TimerOperationDeps, timer: Timer): Promise<TimerView> {
  const run = (await timers.run(batchIdOf(timer)))?.value;
  const job = run?.currentJobId === undefined ? undefined : await jobs.get(run.currentJobId);
  return timerView(timer, run, job?.value, now());
}

interface TimerChange {
  readonly timers: Pick<TimerStore, "get" | "write">;
  readonly caller: Caller;
  readonly changed: (change: Change) => void;
}

const factsOfTimer = ({ cron, timeZone, pausedAt, override }: Timer): LooseFacts => ({
  cron,
  timeZone,
  paused: pausedAt !== undefined,
  ownSchedule: override !== undefined,
});

/** Writes what `decide` returns on the version it was given, and repeats after a conflict. Undefined: nothing to change. */
async function changeTimer(
  { timers, caller, changed }: TimerChange,
  name: TimerName,
  decide: (timer: Timer) => Timer | undefined,
): Promise<Timer> {
  let stored: Stored<Timer> | undefined = await findTimer(timers, caller, name);
  for (let tries = 0; tries < CHANGE_TRIES; tries++) {
    if (stored === undefined) throw noSuchTimer(name);
    const before = stored.value;
    const after = decide(before);
    if (after === undefined) return before;
    const result = await timers.write(after, stored.etag);
    if (result.written) {
      changed({ before: factsOfTimer(before), after: factsOfTimer(after) });
      return after;
    }
    stored = result.current;
  }
  throw new UnavailableError(
    "StorageUnavailable",
    `Timer ${name.timerName} changed during every attempt to write it. Retry later.`,
  );
}

/** A package is replaced before its timers are, so a timer may not be in the current version any more. */
async function assertCurrent(packages: Pick<PackageCatalog, "get">, timer: Timer): Promise<void> {
  const stored = await packages.get(timer.tenantName, timer.packageName);
  // A package that was put into storage by other means does not list its job types.
  if (stored === undefined || stored.jobTypes?.includes(timer.timerName) === false) throw noSuchTimer(timer);
}

const noSuchTimer = ({ packageName, timerName }: TimerName): NotFoundError =>
  new NotFoundError("TimerNotFound", `Package ${packageName} has no timer ${timerName}.`);
