/**
 * Judges every request by the role assignments of the record, and keeps two lists: what was denied, and which
 * assignments were ever needed.
 */
import { BUILT_IN_ROLES } from "../plan/grants.ts";
import type { Estate, RecordedAssignment } from "./estate.ts";

/** A data action, or an action of Resource Manager as custom roles name it. */
export type Action =
  "blob.read" | "blob.write" | "table" | "bus.send" | "bus.listen" | "bus.manage" | `Microsoft.${string}`;

export interface Denial {
  /** Name of the identity, or what came in its place. */
  readonly who: string;
  readonly action: string;
  readonly resource: string;
  count: number;
}

export interface Access {
  /** `resourceId`: of what is touched; a role on it, or on anything above it, allows. */
  allows(principalId: string, action: Action, resourceId: string): boolean;
  deny(who: string, action: string, resource: string): void;
  /** From now on every assignment is effective; denials before do not count. */
  takeEffect(): void;
  readonly denials: readonly Denial[];
  /** Names of assignments that nothing has needed. */
  unused(): readonly string[];
}

/** What each built-in role allows. https://learn.microsoft.com/azure/role-based-access-control/built-in-roles */
const ALLOWS: Readonly<Record<string, readonly Action[]>> = {
  [BUILT_IN_ROLES.blobContributor.id]: ["blob.read", "blob.write"],
  [BUILT_IN_ROLES.blobReader.id]: ["blob.read"],
  [BUILT_IN_ROLES.tableContributor.id]: ["table"],
  [BUILT_IN_ROLES.busSender.id]: ["bus.send"],
  [BUILT_IN_ROLES.busReceiver.id]: ["bus.listen"],
  [BUILT_IN_ROLES.busOwner.id]: ["bus.send", "bus.listen", "bus.manage"],
  [BUILT_IN_ROLES.metricsPublisher.id]: [],
};

type Rules = Pick<Estate, "assignments" | "customRoles" | "identities">;

/** `rules`: as they are now. Nothing is allowed before `takeEffect`: roles need time to spread through Azure. */
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

/** What the local Service Bus must know of the assignments: by entity, what each principal may do. */
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
