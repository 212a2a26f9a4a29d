/** The settings of a worker process. */
import type { EventLevel } from "../job/events.ts";
import { DEFAULT_WEIGHTS, type PriorityWeights } from "../job/priority.ts";
import { DEFAULT_POOL } from "../deployment/topology.ts";
import {
  type ConnectionSettings,
  type LogLevel,
  checkPool,
  parseConnection,
  parseEventLevel,
  parseLockMs,
  parseLogLevel,
} from "./service-settings.ts";
import { type Environment, SettingsError, integer, optional, required } from "./environment.ts";
import { SETTING } from "./names.ts";

export interface WorkerSettings {
  readonly connection: ConnectionSettings;
  readonly workerId: string;
  readonly pool: string;
  /** Jobs at a time. */
  readonly slots: number;
  /** This worker's own folder: package cache and workspaces. */
  readonly directory: string;
  /** Time for running jobs to end when the worker must stop. */
  readonly drainMs: number;
  /** Name of the user that jobs run as, or `name-*` for many; undefined: the worker's own. */
  readonly jobUser: string | undefined;
  /** Whose tokens jobs get. */
  readonly jobIdentity: JobIdentity;
  /** Lock duration of the pool's queues, as they were created. */
  readonly lockMs: number;
  /** How often each priority is looked at first. */
  readonly weights: PriorityWeights;
  /** Version of the code, shown with the worker. */
  readonly version: string;
  /** Which events are published. */
  readonly events: EventLevel;
  readonly logLevel: LogLevel;
}

const DRAIN_SECONDS_DEFAULT = 300;

/** The longest drain a scale set can be made to wait for. */
const DRAIN_SECONDS_MAX = 12 * 3_600;

const SLOTS_MAX = 1_000;

export const parseWorkerSettings = (env: Environment): WorkerSettings => ({
  connection: parseConnection(env),
  workerId: required(env, SETTING.workerId),
  pool: checkPool(SETTING.pool, env[SETTING.pool] ?? DEFAULT_POOL),
  slots: integer(env, SETTING.slots, { min: 1, max: SLOTS_MAX, fallback: 1 }),
  directory: required(env, SETTING.workerDirectory),
  drainMs:
    1_000 * integer(env, SETTING.drainSeconds, { min: 0, max: DRAIN_SECONDS_MAX, fallback: DRAIN_SECONDS_DEFAULT }),
  jobUser: optional(env, SETTING.jobUser),
  jobIdentity: parseJobIdentity(env),
  lockMs: parseLockMs(env),
  weights: parseWeights(env),
  version: env[SETTING.version] ?? "local",
  events: parseEventLevel(env),
  logLevel: parseLogLevel(env),
});

/**
 * Whose tokens jobs get. `managed`: an identity of this machine; tenants need a grant. `az`, `fake`: the developer's own, or
 * nobody's; without grants, because there is nothing that a grant would protect.
 */
export type JobIdentity =
  | { readonly kind: "managed"; readonly clientId: string }
  | { readonly kind: "az" }
  | { readonly kind: "fake" }
  | { readonly kind: "none" };

const CLIENT_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function parseJobIdentity(env: Environment): JobIdentity {
  const text = optional(env, SETTING.jobIdentity) ?? "none";
  if (text === "az" || text === "fake" || text === "none") return { kind: text };
  if (CLIENT_ID.test(text)) return { kind: "managed", clientId: text };
  throw new SettingsError(`${SETTING.jobIdentity} must be a client id, az, fake or none, not "${text}".`);
}

const WEIGHT_MAX = 1_000;

function parseWeights(env: Environment): PriorityWeights {
  const text = env[SETTING.weights];
  if (text === undefined || text === "") return DEFAULT_WEIGHTS;
  const [high = 0, normal = 0, low = 0, ...more] = text.split(":").map(Number);
  const valid = (weight: number): boolean => Number.isInteger(weight) && weight >= 1 && weight <= WEIGHT_MAX;
  if (more.length === 0 && [high, normal, low].every(valid)) return { high, normal, low };
  throw new SettingsError(
    `${SETTING.weights} must be three whole numbers from 1 to ${WEIGHT_MAX}, as 16:4:1, not "${text}".`,
  );
}
