/** The priorities a job or batch may have. Each is a queue of its own. */

/** Highest first: the order in which an idle worker looks. */
export const PRIORITIES = ["high", "normal", "low"] as const;

export type Priority = (typeof PRIORITIES)[number];

export const DEFAULT_PRIORITY: Priority = "normal";
