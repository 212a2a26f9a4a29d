/** The events of jobs and batches by name. What they hold is told in core, once; types only, so that no schema comes along. */
import type { EventType, SystemEvent } from "../core/events.ts";

export type JobEvents = { readonly [N in EventType]: Extract<SystemEvent, { readonly eventType: N }> };
export type JobEventName = keyof JobEvents;

/** Complete, or it does not compile. */
const KNOWN: Readonly<Record<JobEventName, true>> = {
  jobQueued: true,
  jobStarted: true,
  jobProgressed: true,
  jobRetrying: true,
  jobCompleted: true,
  batchCompleted: true,
};

export const isJobEventName = (name: string): name is JobEventName => Object.hasOwn(KNOWN, name);

/** An event of another version may mean something else: it is passed over. */
const VERSION: SystemEvent["version"] = 1;

export const isKnownVersion = ({ version }: { readonly version: number }): boolean => version === VERSION;
