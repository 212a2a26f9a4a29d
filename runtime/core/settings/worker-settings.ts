/** The settings of a worker process. */
import * as z from "zod";
import type { EventLevel } from "../job/events.ts";
import { DEFAULT_WEIGHTS, type PriorityWeights } from "../job/priority.ts";
import { DEFAULT_POOL } from "../deployment/topology.ts";
import { isLoopback } from "../loopback.ts";
import {
  type ConnectionSettings,
  type LogLevel,
  checkPool,
  parseConnection,
  parseEventLevel,
  parseLockMs,
  parseLogLevel,
  parsePackageAnswerMs,
} from "./service-settings.ts";
import { type Environment, SettingsError, integer, isSet, optional, required } from "./environment.ts";
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
  /** How long an answer of storage about a package is used. */
  readonly packageAnswerMs: number;
  /** Jobs stop for a debugger. Only on the local system. */
  readonly inspect: InspectSettings | undefined;
  /** How often each priority is looked at first. */
  readonly weights: PriorityWeights;
  /** Version of the code, shown with the worker. */
  readonly version: string;
  /** Which events are published. */
  readonly events: EventLevel;
  readonly logLevel: LogLevel;
}

/** How a debugger reaches a job. */
export interface InspectSettings {
  /** On 127.0.0.1. One job at a time has it. */
  readonly port: number;
  /** The folders with the sources of packages, by the packages' names. */
  readonly sources: Readonly<Record<string, string>>;
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
  packageAnswerMs: parsePackageAnswerMs(env),
  inspect: parseInspect(env),
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

const inspectSchema = z.strictObject({
  port: z.int().min(1).max(65_535),
  sources: z.record(z.string(), z.string()),
});

/**
 * Throws SettingsError unless storage and jobs are this machine's and user's: who reaches the port can run any code as the
 * job.
 */
function parseInspect(env: Environment): InspectSettings | undefined {
  const text = optional(env, SETTING.inspect);
  if (text === undefined) return undefined;
  const host = URL.parse(/BlobEndpoint=([^;]+)/.exec(env[SETTING.storageConnectionString] ?? "")?.[1] ?? "")?.hostname;
  if (!isLoopback(host ?? "") || isSet(env, SETTING.jobUser) || isSet(env, SETTING.metadataUrl)) {
    throw new SettingsError(`${SETTING.inspect} is for workers of the local system, and this is none.`);
  }
  if (integer(env, SETTING.slots, { min: 1, max: SLOTS_MAX, fallback: 1 }) > 1) {
    throw new SettingsError(`${SETTING.inspect} needs ${SETTING.slots}=1: one job at a time has the port.`);
  }
  try {
    return inspectSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SettingsError(`${SETTING.inspect} is not {"port":…,"sources":{…}}.`, { cause });
  }
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
