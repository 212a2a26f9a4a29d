/**
 * What `--controls` adds to the jobs of a run: three tenants, and types with limits by key. These jobs note on a file when
 * they begin and end, and that they are alive.
 */
import { readFile } from "node:fs/promises";
import type { JobLimits } from "../../../../runtime/core/admission/limit.ts";
import type { JobRequestBody } from "../../../../runtime/core/http/requests.ts";
import type { SeededRandom } from "../../../support/seeded-random.ts";

export const TENANTS = ["chaos", "chaos-two", "chaos-three"] as const;

export const LIMITS: Readonly<Record<string, JobLimits>> = {
  Keyed: { concurrency: { key: "parameters.key", max: 2 } },
  Single: { concurrency: { max: 1 } },
  Metered: { rate: { key: "parameters.key", max: 4, perSeconds: 1 } },
  Both: { concurrency: { key: "parameters.key", max: 2 }, rate: { max: 3, perSeconds: 1 } },
};

/** What a job of a limited type says of itself. */
export interface Note {
  /** In ms since the epoch. */
  readonly at: number;
  readonly jobId: string;
  readonly claimId: string;
}

/** Bodies of the limited types. The file must exist before the first job. */
export function limitedJobs(notesFile: string): Readonly<Record<string, string>> {
  const body = `
    const { jobId, claimId, attempt, parameters } = job;
    const note = () => fs.appendFileSync(${JSON.stringify(notesFile)}, JSON.stringify({ at: Date.now(), jobId, claimId }) + "\\n");
    note();
    const alive = setInterval(note, ${NOTE_EVERY_MS});
    try {
      await new Promise((resolve) => setTimeout(resolve, parameters.ms));
    } finally {
      clearInterval(alive);
      note();
    }
    if (attempt <= parameters.failures) throw new Error("not yet");
    return {};`;
  return Object.fromEntries(Object.keys(LIMITS).map((jobType) => [jobType, body]));
}

const NOTE_EVERY_MS = 50;

/** A line may be cut off by a kill. */
export async function readNotes(file: string): Promise<readonly Note[]> {
  const lines = (await readFile(file, "utf8")).split("\n");
  return lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line) as Note);
}

const LIMITED_SHARE = 0.7;
const FAILURE_SHARE = 0.15;
/** Most have the same key, so that they meet. */
const KEYS = ["a", "a", "a", "b"] as const;
const WORK_MIN_MS = 100;
const WORK_RANGE_MS = 900;

/** The job, or one of a limited type in its place. */
export function controlled(random: SeededRandom, job: JobRequestBody): JobRequestBody {
  if (!random.chance(LIMITED_SHARE)) return job;
  const jobType = random.pick(Object.keys(LIMITS));
  const key = random.pick(KEYS);
  const ms = WORK_MIN_MS + Math.round(WORK_RANGE_MS * random.next());
  const failures = random.chance(FAILURE_SHARE) ? 1 : 0;
  const { timeoutMs: _, ...others } = job;
  return { ...others, jobType, jobName: jobType, parameters: { key, ms, failures } };
}
