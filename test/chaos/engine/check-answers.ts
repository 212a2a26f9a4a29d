/** Every answer of the API must have been true at some moment between a command's first request and its answer. */
import type { Command, JobAnswer } from "./commands.ts";
import type { JobRow } from "./recorded-rows.ts";
import type { History, JobChange } from "./replay.ts";
import { CLOCK_SLACK_MS, isOfBatch, isTerminal, type RunFacts } from "./run-facts.ts";

/** A row, and the time for which it had this content. */
interface Version {
  readonly row: JobRow;
  readonly from: number;
  readonly until: number;
}

export function brokenAnswers({ changes }: History, { commands }: RunFacts): string[] {
  const ofJob = Map.groupBy(changes, ({ jobId }) => jobId);
  const versions = (jobId: string): readonly Version[] => versionsOf(ofJob.get(jobId) ?? []);
  const canceledBatches = commands.flatMap((command) =>
    command.kind === "cancel" && command.batchId !== undefined
      ? passedOver(command, command.batchId, [...ofJob.keys()], versions)
      : [],
  );
  return [...commands.flatMap((command) => untrueAnswers(command, versions)), ...canceledBatches];
}

const IS_TRUE: Readonly<Record<JobAnswer, (row: JobRow, command: Pick<Command, "runAt">) => boolean>> = {
  canceled: ({ state }) => state === "canceled",
  // From then on its row records the cancel, and every exit from running honours it.
  requested: ({ state, cancelWanted }) => state === "running" && cancelWanted,
  "too-late": ({ state }) => state === "succeeded" || state === "failed",
  // It may have been claimed as soon as it was queued.
  requeued: ({ state, ring }) => !isTerminal(state) && ring > 1,
  "not-ended": ({ state }) => !isTerminal(state),
  // A start takes the time out of the row.
  rescheduled: ({ ring, runAt }, command) => ring > 1 && runAt === command.runAt,
  "not-queued": ({ state }) => state !== "queued",
};

function untrueAnswers(command: Command, versions: (jobId: string) => readonly Version[]): readonly string[] {
  const { kind, triedAt, answeredAt, answers } = command;
  const [from] = triedAt;
  if (answeredAt === undefined || from === undefined) return [];
  return [...answers].flatMap(([jobId, answer]) =>
    within(versions(jobId), from, answeredAt).some(({ row }) => IS_TRUE[answer](row, command))
      ? []
      : [`${jobId}: the answer to its ${kind} was "${answer}", which was never true`],
  );
}

/** Jobs that were in a batch when the answered request to cancel it was sent, and that were not canceled. */
function passedOver(
  { triedAt, answeredAt }: Command,
  batchId: string,
  jobIds: readonly string[],
  versions: (jobId: string) => readonly Version[],
): readonly string[] {
  const from = triedAt.at(-1);
  if (answeredAt === undefined || from === undefined) return [];
  return jobIds
    .filter((jobId) => isOfBatch(jobId, batchId))
    .filter((jobId) => {
      const all = versions(jobId);
      const wasThere = (all[0]?.from ?? Infinity) < from;
      return (
        wasThere &&
        !within(all, from, answeredAt).some(({ row }) => isTerminal(row.state) || IS_TRUE.requested(row, {}))
      );
    })
    .map((jobId) => `${jobId}: its batch was canceled, but it was not`);
}

const versionsOf = (changes: readonly JobChange[]): Version[] =>
  changes.map(({ at, after }, index) => ({ row: after, from: at, until: changes[index + 1]?.at ?? Infinity }));

const within = (versions: readonly Version[], from: number, until: number): readonly Version[] =>
  versions.filter((version) => version.until >= from - CLOCK_SLACK_MS && version.from <= until + CLOCK_SLACK_MS);
