/** What is known of a run with limits and pauses beside the rows of its jobs. */
import type { JobLimits } from "../../../../runtime/core/admission/limit.ts";
import type { HeldPause } from "./pauser.ts";
import type { Lines } from "./replay-lines.ts";
import type { Note } from "./workload.ts";

export interface ControlFacts {
  /** By job type, the same for all tenants and during the whole run. */
  readonly limits: Readonly<Record<string, JobLimits>>;
  readonly lines: Lines;
  readonly pauses: readonly HeldPause[];
  readonly notes: readonly Note[];
}
