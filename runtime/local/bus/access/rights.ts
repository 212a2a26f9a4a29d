/**
 * Role assignments as Azure Service Bus applies them. Names are compared without regard to case.
 * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas#rights-required-for-service-bus-operations
 */

export const RIGHTS = ["send", "listen", "manage"] as const;
export type Right = (typeof RIGHTS)[number];

/** The entity that stands for the whole namespace. */
const NAMESPACE = "*";

export interface Assignment {
  /** Object id of a user, service principal or managed identity: the token's `oid`. */
  readonly principalId: string;
  /** `queue`, `topic`, `topic/subscriptions/name`, or `*`. */
  readonly entity: string;
  readonly rights: readonly Right[];
}

export interface Question {
  readonly principalId: string;
  readonly right: Right;
  /** Path of an entity or of something that belongs to it, such as its dead-letter queue or a rule. */
  readonly path: string;
}

/** A right on a topic covers its subscriptions, and one on the namespace covers everything. Manage includes the others. */
export function isAllowed(assignments: readonly Assignment[], { principalId, right, path }: Question): boolean {
  const entity = entityOf(path);
  return assignments.some(
    (assignment) =>
      isSame(assignment.principalId, principalId) &&
      (assignment.rights.includes(right) || assignment.rights.includes("manage")) &&
      reaches(assignment.entity, entity),
  );
}

/** The entity of a path, without rules, dead-letter queues and `$management`. */
export const entityOf = (path: string): string =>
  path
    .replace(/^\/+|\/+$/g, "")
    .replace(/^(.+?\/subscriptions\/[^/]+)\/.*$/i, "$1")
    .replace(/\/\$.*$/, "");

function reaches(scope: string, entity: string): boolean {
  if (scope === NAMESPACE || isSame(scope, entity)) return true;
  const rest = entity.slice(scope.length);
  // A queue name can contain slashes, so only `/subscriptions` makes an entity part of another.
  return isSame(scope, entity.slice(0, scope.length)) && /^\/subscriptions(?:\/|$)/i.test(rest);
}

const isSame = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();
