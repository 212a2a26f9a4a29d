/** Settings that the API and the workers have in common, and must agree on. */
import { EVENT_LEVELS, type EventLevel } from "../events.ts";
import { POOL_NAME_PATTERN } from "../ids.ts";
import { LOCK_MS } from "../limits.ts";
import { DEFAULT_POOL } from "../topology.ts";
import { type Environment, SettingsError, integer, optional } from "./environment.ts";
import { SETTING } from "./names.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Service Bus allows locks of up to five minutes. */
const LOCK_SECONDS_MAX = 300;

/** Lock duration of the job queues: used by workers, and by whoever creates the queues locally. */
export const parseLockMs = (env: Environment): number =>
  1_000 * integer(env, SETTING.lockSeconds, { min: 1, max: LOCK_SECONDS_MAX, fallback: LOCK_MS / 1_000 });

export function parseLogLevel(env: Environment): LogLevel {
  const text = env[SETTING.logLevel] ?? "info";
  const level = LOG_LEVELS.find((known) => known === text);
  if (level === undefined)
    throw new SettingsError(`${SETTING.logLevel} must be one of ${LOG_LEVELS.join(", ")}, not "${text}".`);
  return level;
}

export function parseEventLevel(env: Environment): EventLevel {
  const text = optional(env, SETTING.events) ?? "all";
  const level = EVENT_LEVELS.find((known) => known === text);
  if (level === undefined)
    throw new SettingsError(`${SETTING.events} must be one of ${EVENT_LEVELS.join(", ")}, not "${text}".`);
  return level;
}

export const parsePools = (env: Environment): readonly string[] =>
  (env[SETTING.pools] ?? DEFAULT_POOL).split(",").map((pool) => checkPool(SETTING.pools, pool.trim()));

export function checkPool(setting: string, pool: string): string {
  if (POOL_NAME_PATTERN.test(pool)) return pool;
  throw new SettingsError(`${setting} must be lower-case letters, digits and inner hyphens, not "${pool}".`);
}
