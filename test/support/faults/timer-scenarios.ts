/** What timers go through in one run: their ticks come, meet each other, come late, and lose their workers. */
import { DEFAULT_PRIORITY } from "../../../runtime/core/job/priority.ts";
import { isTerminal, type TerminalState } from "../../../runtime/core/job/states.ts";
import { isRecorded } from "../../../runtime/core/timer/judgement.ts";
import { outgoingTick } from "../../../runtime/core/timer/tick.ts";
import { batchIdOf, newTimerRun, scheduleHashOf, tickJobId, type Timer } from "../../../runtime/core/timer/timer.ts";
import { jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { timerOf } from "../builders.ts";
import type { FaultLab } from "./fault-lab.ts";
import { type Scenario, wholeWaitMs } from "./fault-scenarios.ts";

const ANY: readonly TerminalState[] = ["succeeded", "canceled"];
/** A tick that comes while another runs is left out, and a fault may have it come so. */
const ranOrLeftOut = { states: ANY, attempts: [0, 1] };

export const TIMER_SCENARIOS: readonly Scenario[] = [
  {
    name: "a tick that comes twice, and one that meets its run",
    ends: { Work: ranOrLeftOut },
    async run(lab) {
      const { tick } = await timer(lab, "Work", { overlap: "skip" });
      await lab.startWorker("worker", { slots: 2 });
      await lab.startWorker("other");
      const first = await tick(0);
      await tick(0, "again");
      await begun(lab, first);
      await ended(lab, [first, await tick(1)]);
      await ended(lab, [await tick(2)]);
    },
  },
  {
    name: "a tick that waits for another, and one that finds no room",
    ends: { Work: ranOrLeftOut },
    async run(lab) {
      const { tick, waitingIds } = await timer(lab, "Work", { overlap: "queue" });
      await lab.startWorker("worker", { slots: 3 });
      const first = await tick(0);
      await begun(lab, first);
      await ended(lab, [first, await tick(1), await tick(2)]);
      await none(lab, "nobody waits", waitingIds);
    },
  },
  {
    name: "a run that is tried again while another waits",
    ends: { FailOnce: ranOrLeftOut },
    async run(lab) {
      const { tick } = await timer(lab, "FailOnce", { overlap: "queue" });
      await lab.startWorker("worker", { slots: 2 });
      await ended(lab, [await tick(0), await tick(1)]);
    },
  },
  {
    name: "a run whose worker dies while another waits",
    ends: { Interrupted: ranOrLeftOut },
    async run(lab) {
      const { tick } = await timer(lab, "Interrupted", { overlap: "queue" });
      const first = await lab.startWorker("first");
      const id = await tick(0);
      await begun(lab, id);
      await lab.startWorker("second");
      const waiting = await tick(1);
      await first.die();
      lab.release();
      await ended(lab, [id, waiting]);
    },
  },
  {
    name: "a run that is canceled while another waits",
    ends: { Waits: ranOrLeftOut },
    async run(lab) {
      const { tick } = await timer(lab, "Waits", { overlap: "queue" });
      await lab.startWorker("worker", { slots: 2 });
      const first = await tick(0);
      await begun(lab, first);
      const second = await tick(1);
      await known(lab, second);
      await lab.post(`/v1/jobs/${first}/cancel`);
      lab.release();
      await ended(lab, [first, second]);
    },
  },
  {
    name: "an old run that is requeued while another is alive",
    ends: { Work: ranOrLeftOut },
    async run(lab) {
      const { tick } = await timer(lab, "Work", { overlap: "skip" });
      await lab.startWorker("worker", { slots: 2 });
      const first = await tick(0);
      await ended(lab, [first]);
      const second = await tick(1);
      await begun(lab, second);
      const { ring } = lab.record.job(first);
      await lab.post(`/v1/jobs/${first}/requeue`);
      await until(lab, "the requeue", () => lab.record.job(first).ring > ring);
      await ended(lab, [first, second]);
    },
  },
  {
    name: "ticks that all come too late",
    ends: { Quick: ranOrLeftOut },
    async run(lab) {
      const due = [-3, -2, -1, 0].map(hour);
      const late = await timer(lab, "Quick", { graceMs: 0, cron: "0 0 * * * *", activeFrom: hour(-4) });
      for (const at of due) await late.send(at);
      await lab.startWorker("worker", { slots: 2 });
      await lab.startWorker("other");
      await none(lab, "all are recorded", () => late.unrecorded(due));
      // A row that lands when its tick is recorded already has no message: the sweeper finds it, and it is left out.
      await lab.settled();
      await none(lab, "no message is left", () => messages(lab));
    },
  },
];

const HOUR_MS = 3_600_000;
/** Full hours that have passed. */
const hour = (count: number): Date => new Date(Math.floor(Date.now() / HOUR_MS) * HOUR_MS + count * HOUR_MS);

async function timer(lab: FaultLab, timerName: string, fields: Partial<Timer>) {
  const { services, accepted } = lab;
  const { tenantName, pool, observer } = services;
  const start = Math.floor(Date.now() / 1_000) * 1_000 - 10_000;
  const own = timerOf({
    ...{ tenantName, packageName: "test.zip", timerName, pool, cron: "* * * * * *", graceMs: 300_000 },
    activeFrom: new Date(start - 1_000),
    ...fields,
  });
  const { timers } = services.stores("registrar");
  const written = await timers.write(own, undefined);
  if (!written.written) throw new Error("The timer is there already.");
  const hash = scheduleHashOf(own);
  const run = async () => (await timers.run(batchIdOf(own)))?.value ?? newTimerRun(batchIdOf(own));

  /** As the subscription passes it on. */
  async function send(at: Date, name = ""): Promise<string> {
    const { tick, messageId } = outgoingTick(own, hash, at);
    const message = { bell: tick as never, messageId: messageId + name };
    await observer.send(jobQueueName(pool, DEFAULT_PRIORITY), [message]);
    return tickJobId(own, at, hash);
  }
  return {
    send,
    /** One of those that must have a row. Resolves to its id. */
    tick: async (index: number, name = ""): Promise<string> => {
      const jobId = await send(new Date(start + index * 1_000), name);
      accepted.add(jobId);
      return jobId;
    },
    waitingIds: async () => (await run()).waitingJobIds,
    unrecorded: async (ticks: readonly Date[]): Promise<readonly Date[]> => {
      const coverage = await run();
      return ticks.filter((at) => !isRecorded(coverage, own, at));
    },
  };
}

const messages = ({ services: { observer, pool } }: FaultLab) =>
  observer.peek(jobQueueName(pool, DEFAULT_PRIORITY), { deadLetter: false, maxCount: 10 });

const state = (lab: FaultLab, jobId: string) =>
  lab.record.jobIds.includes(jobId) ? lab.record.job(jobId).state : undefined;

const isEnded = (lab: FaultLab, jobId: string): boolean => {
  const now = state(lab, jobId);
  return now !== undefined && isTerminal(now);
};

const ended = (lab: FaultLab, jobIds: readonly string[]): Promise<void> =>
  until(lab, `${jobIds.join()} ended`, () => jobIds.every((jobId) => isEnded(lab, jobId)));

const known = (lab: FaultLab, jobId: string): Promise<void> =>
  until(lab, `${jobId} has a row`, () => state(lab, jobId) !== undefined);

/** It runs; or the fault has ended it before it could start. */
const begun = (lab: FaultLab, jobId: string): Promise<void> =>
  until(
    lab,
    `${jobId} runs`,
    () => isEnded(lab, jobId) || lab.record.executions.some((one) => one.jobId === jobId && one.endedAt === undefined),
  );

const until = (lab: FaultLab, what: string, condition: () => boolean): Promise<void> =>
  lab.record.until(what, condition, wholeWaitMs(lab.services.lockMs));

/** Reads the row of the timer, for which there are no events, until it has nothing of that kind. */
async function none(lab: FaultLab, what: string, find: () => Promise<readonly unknown[]>): Promise<void> {
  const end = performance.now() + wholeWaitMs(lab.services.lockMs);
  while ((await find()).length > 0) {
    if (performance.now() > end) throw new Error(`I7: not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
