/** Faults between a program and a service that it uses, with their times, made from a seed. */
import type { SeededRandom } from "../../support/seeded-random.ts";

export const SERVICES = ["bus", "storage"] as const;
export type ServiceName = (typeof SERVICES)[number];

export type NetworkFault =
  /** All connections break. */
  | { readonly kind: "cut" }
  /** No data arrives and no error is reported. Then the connections break. */
  | { readonly kind: "blackhole"; readonly forMs: number }
  /** No data arrives for a while. Then all of it does. */
  | { readonly kind: "stall"; readonly forMs: number }
  /** All data arrives later. */
  | { readonly kind: "slow"; readonly forMs: number; readonly byMs: number }
  /** The connections break. Data that was sent shortly before arrives long after. */
  | { readonly kind: "late"; readonly forMs: number; readonly byMs: number };

export interface ScheduledFault {
  /** Due when this share of the jobs has ended. */
  readonly afterShare: number;
  readonly program: string;
  readonly service: ServiceName;
  readonly fault: NetworkFault;
}

export interface FaultOptions {
  readonly faultCount: number;
  readonly workers: readonly string[];
  readonly lockMs: number;
}

const KINDS = ["cut", "stall", "late", "blackhole", "slow"] as const satisfies readonly NetworkFault["kind"][];
/** No faults for the last jobs, so that the run can show that nothing was lost. */
const LAST_SHARE = 0.9;
/** Some faults hit the API, which has work during the whole run too. */
const API_SHARE = 0.3;

/** In the order in which they are due. */
export function faultsOf(random: SeededRandom, { faultCount, workers, lockMs }: FaultOptions): ScheduledFault[] {
  return Array.from({ length: faultCount }, (_, index) => ({
    afterShare: LAST_SHARE * random.next(),
    program: random.chance(API_SHARE) ? "api" : random.pick(workers),
    // In turns, and so that every kind meets both services.
    service: SERVICES[index % SERVICES.length]!,
    fault: faultOf(random, KINDS[index % KINDS.length]!, lockMs),
  })).sort((a, b) => a.afterShare - b.afterShare);
}

/** Silences last from a fraction of a lock to somewhat more than one. */
function faultOf(random: SeededRandom, kind: NetworkFault["kind"], lockMs: number): NetworkFault {
  const silenceMs = Math.round(lockMs * (0.2 + 1.4 * random.next()));
  switch (kind) {
    case "cut":
      return { kind };
    case "blackhole":
    case "stall":
      return { kind, forMs: silenceMs };
    case "slow":
      return { kind, forMs: silenceMs, byMs: Math.round(50 + 250 * random.next()) };
    case "late":
      return { kind, forMs: 500, byMs: Math.round(1_000 + 3_000 * random.next()) };
  }
}

export function describeFault({ program, service, fault }: ScheduledFault): string {
  const link = `${program} to ${service}`;
  switch (fault.kind) {
    case "cut":
      return `${link}: cut`;
    case "blackhole":
    case "stall":
      return `${link}: ${fault.kind} for ${seconds(fault.forMs)}`;
    case "slow":
    case "late":
      return `${link}: ${fault.kind} by ${seconds(fault.byMs)}, for ${seconds(fault.forMs)}`;
  }
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
