/**
 * Decides on every request by the recorded role assignments. It keeps two lists: denied requests, and assignments that
 * were used.
 */
import { BUILT_IN_ROLES } from "../../plan/grants.ts";
import type { Estate, RecordedAssignment } from "./estate.ts";

/** A data action, or an action of Resource Manager in the form of custom roles. */
export type Action =
  | "blob.read"
  | "blob.write"
  | "table.read"
  | "table.write"
  | "bus.send"
  | "bus.listen"
  | "bus.manage"
  | "telemetry.publish"
  | `Microsoft.${string}`;

export interface Denial {
  /** Name of the identity, or what the request had instead. */
  readonly who: string;
  readonly action: string;
  readonly resource: string;
  count: number;
}

export interface Access {
  /** `resourceId`: the resource of the request. A role on it, or on any resource above it, allows the request. */
  allows(principalId: string, action: Action, resourceId: string): boolean;
  deny(who: string, action: string, resource: string): void;
  /** From now on all assignments are effective. Earlier denials do not count. */
  takeEffect(): void;
  readonly denials: readonly Denial[];
  /** Names of assignments that no request has needed. */
  unused(): readonly string[];
}

/** The actions of each built-in role. https://learn.microsoft.com/azure/role-based-access-control/built-in-roles */
const ALLOWS: Readonly<Record<string, readonly Action[]>> = {
  [BUILT_IN_ROLES.blobContributor.id]: ["blob.read", "blob.write"],
  [BUILT_IN_ROLES.blobReader.id]: ["blob.read"],
  [BUILT_IN_ROLES.tableContributor.id]: ["table.read", "table.write"],
  [BUILT_IN_ROLES.tableReader.id]: ["table.read"],
  [BUILT_IN_ROLES.secretsOfficer.id]: [],
  [BUILT_IN_ROLES.secretsUser.id]: [],
  [BUILT_IN_ROLES.busSender.id]: ["bus.send"],
  [BUILT_IN_ROLES.busReceiver.id]: ["bus.listen"],
  [BUILT_IN_ROLES.busOwner.id]: ["bus.send", "bus.listen", "bus.manage"],
  [BUILT_IN_ROLES.metricsPublisher.id]: ["telemetry.publish"],
};

type Rules = Pick<Estate, "assignments" | "customRoles" | "identities">;

/**
 * `rules`: the current ones. Nothing is allowed before `takeEffect`, because roles need time to spread through Azure.
 */
export function createAccess(rules: () => Rules): Access {
  let inEffect = false;
  const used = new Set<string>();
  const denials: Denial[] = [];
  const actionsOf = ({ role }: RecordedAssignment): readonly string[] =>
    ALLOWS[role] ?? rules().customRoles.get(role) ?? [];
  const nameOf = (who: string): string => rules().identities.find((one) => one.principalId === who)?.name ?? who;

  const access: Access = {
    allows(principalId, action, resourceId) {
      const match = inEffect
        ? rules().assignments.find(
            (assignment) =>
              assignment.principalId === principalId &&
              actionsOf(assignment).includes(action) &&
              isWithin(resourceId, assignment.scope),
          )
        : undefined;
      if (match === undefined) access.deny(principalId, action, resourceId);
      else used.add(match.name);
      return match !== undefined;
    },
    deny(who, action, resource) {
      if (!inEffect) return;
      const same = denials.find(
        (denial) => denial.who === nameOf(who) && denial.action === action && denial.resource === resource,
      );
      if (same === undefined) denials.push({ who: nameOf(who), action, resource, count: 1 });
      else same.count++;
    },
    takeEffect() {
      inEffect = true;
    },
    denials,
    unused: () =>
      rules()
        .assignments.map(({ name }) => name)
        .filter((name) => !used.has(name)),
  };
  return access;
}

/** Ids are compared without case, as Azure does. */
const isWithin = (resourceId: string, scope: string): boolean =>
  `${resourceId}/`.toLowerCase().startsWith(`${scope}/`.toLowerCase());

/** The assignments in the local Service Bus's form: for each entity, the rights of each principal. */
export function busAssignments({ assignments, namespaceId }: Pick<Estate, "assignments" | "namespaceId">) {
  return assignments.flatMap(({ principalId, role, scope }) => {
    const rights = (ALLOWS[role] ?? []).flatMap((action) => (action.startsWith("bus.") ? [action.slice(4)] : []));
    if (rights.length === 0 || !isWithin(scope, namespaceId)) return [];
    const path = scope
      .slice(namespaceId.length + 1)
      .split("/")
      .filter((_part, index) => index % 2 === 1);
    const entity = path.length === 2 ? `${path[0] ?? ""}/subscriptions/${path[1] ?? ""}` : (path[0] ?? "*");
    return [{ principalId, entity, rights }];
  });
}
