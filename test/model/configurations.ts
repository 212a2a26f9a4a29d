/** All runs of the models. */
import { BATCH_CONFIGURATIONS, BATCH_RULES_OFF } from "./batch/configurations.ts";
import type { Configuration, RuleOff } from "./configuration.ts";
import { COUNTER_CONFIGURATIONS, COUNTER_RULES_OFF } from "./counters/configurations.ts";
import { FORGET_CONFIGURATIONS, FORGET_RULES_OFF } from "./forget/configurations.ts";
import { JOB_CONFIGURATIONS, JOB_RULES_OFF } from "./job/configurations.ts";
import { LIMIT_CONFIGURATIONS, LIMIT_RULES_OFF } from "./limits/configurations.ts";
import { NOTICE_CONFIGURATIONS, NOTICE_RULES_OFF } from "./notices/configurations.ts";
import { PARKED_CONFIGURATIONS, PARKED_RULES_OFF } from "./parked/configurations.ts";
import { TIMER_CONFIGURATIONS, TIMER_RULES_OFF } from "./timers/configurations.ts";

export const CONFIGURATIONS: readonly Configuration[] = [
  ...JOB_CONFIGURATIONS,
  ...COUNTER_CONFIGURATIONS,
  ...BATCH_CONFIGURATIONS,
  ...TIMER_CONFIGURATIONS,
  ...FORGET_CONFIGURATIONS,
  ...LIMIT_CONFIGURATIONS,
  ...PARKED_CONFIGURATIONS,
  ...NOTICE_CONFIGURATIONS,
];

export const RULES_OFF: readonly RuleOff[] = [
  ...JOB_RULES_OFF,
  ...COUNTER_RULES_OFF,
  ...BATCH_RULES_OFF,
  ...TIMER_RULES_OFF,
  ...FORGET_RULES_OFF,
  ...LIMIT_RULES_OFF,
  ...PARKED_RULES_OFF,
  ...NOTICE_RULES_OFF,
];
