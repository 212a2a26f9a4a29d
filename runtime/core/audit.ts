/**
 * The audit: who changed what through the API, from where, and how it was before and after. An entry holds names, versions
 * and counts. Secrets, values of settings, parameters and outputs are never in it.
 */
import { AUDIT_TEXT_MAX_LENGTH } from "./limits.ts";

/** Small facts by name. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

/** Facts as code has them: those that are undefined are left out. */
export type LooseFacts = Readonly<Record<string, string | number | boolean | Date | undefined>>;

/** What an operation says about a change that it made. */
export interface Change {
  /** Default: the tenant of the request's path. */
  readonly tenantName?: string | undefined;
  /** What was changed, beside the names in the path. */
  readonly subject?: LooseFacts;
  readonly before?: LooseFacts | undefined;
  readonly after?: LooseFacts | undefined;
}

/**
 * `done`: answered with success. `refused`: nothing was changed. `failed`: answered with an error of the system. The change
 * may have been made, in part or as a whole.
 */
export const AUDIT_OUTCOMES = ["done", "refused", "failed"] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** Of entries about what the sweeper has repaired: no caller asked for it. They belong to no tenant. */
export const SWEEP_OPERATION = "sweep";

export const ACTOR_KINDS = ["user", "application"] as const;

export interface AuditEntry {
  /** Undefined: it belongs to no tenant, or the caller may not use the tenant. */
  readonly tenantName: string | undefined;
  readonly at: Date;
  /** Tells entries of the same moment apart. */
  readonly entryId: string;
  /** The operation's id, such as `putGrant`; or SWEEP_OPERATION. */
  readonly operation: string;
  readonly outcome: AuditOutcome;
  /** The code of the error; undefined when it was done. */
  readonly code: string | undefined;
  /** The caller's name, for people. */
  readonly actor: string;
  /** The caller's object id in the directory. Undefined: the service itself, or the API runs without authentication. */
  readonly actorId: string | undefined;
  readonly actorKind: (typeof ACTOR_KINDS)[number] | undefined;
  /** The caller's address. */
  readonly from: string | undefined;
  /** Finds the request in the log. */
  readonly requestId: string;
  readonly subject: Facts;
  readonly before: Facts | undefined;
  readonly after: Facts | undefined;
}

/** Facts as they are kept: without what is undefined, and with long texts cut. */
export const factsOf = (loose: LooseFacts): Facts =>
  Object.fromEntries(
    Object.entries(loose).flatMap(([name, value]) => {
      if (value === undefined) return [];
      if (value instanceof Date) return [[name, value.toISOString()]];
      return [[name, typeof value === "string" ? cut(value) : value]];
    }),
  );

/** A longer text is content, not a name. */
export const cut = (text: string): string =>
  text.length <= AUDIT_TEXT_MAX_LENGTH ? text : `${text.slice(0, AUDIT_TEXT_MAX_LENGTH - 1)}…`;

export interface AuditFilter {
  /** Entries from then on. */
  readonly since?: Date | undefined;
  /** A name, in any case, or an object id. */
  readonly actor?: string | undefined;
  readonly operation?: string | undefined;
}

/** By all of the filter but `since`, which the order of entries answers. */
export const passes = (entry: AuditEntry, { actor, operation }: AuditFilter): boolean =>
  (operation === undefined || entry.operation === operation) &&
  (actor === undefined || entry.actorId === actor || entry.actor.toLowerCase() === actor.toLowerCase());
