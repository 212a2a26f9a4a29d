/** All steps of a rehearsal, in the order of the report. */
import {
  boot,
  hang,
  kill,
  notice,
  reboot,
  recovery,
  release,
  rollback,
  sampleJobs,
  scale,
  silence,
  timers,
} from "./machine-steps.ts";
import { ATTACK_STEPS } from "./attack-steps.ts";
import type { Rehearsal } from "./rehearsal.ts";
import { api, destroy, erasure, events, packages, purge, roles, telemetry, tokens } from "./service-steps.ts";
import type { Step } from "./step.ts";

const BEFORE_DESTROY: readonly Step<Rehearsal>[] = [
  ...[roles, packages, api, erasure, events, purge, boot, sampleJobs, timers, telemetry, recovery],
  ...[kill, release, rollback, hang, reboot, silence, ...ATTACK_STEPS, notice, scale, tokens],
];

export const STEPS: readonly Step<Rehearsal>[] = [
  ...BEFORE_DESTROY,
  { ...destroy, after: BEFORE_DESTROY.map(({ name }) => name) },
];
