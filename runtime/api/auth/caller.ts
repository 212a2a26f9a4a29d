/** The caller of a request, as routes see it. identify.ts finds it. */
import type { RequestHandler, Response } from "express";
import { ForbiddenError, InvariantError, UnauthenticatedError, UnavailableError } from "../../core/errors.ts";
import type { Access, AppRole, Grant } from "../../core/http/access.ts";

/** The content of a verified token. */
export interface Bearer {
  readonly kind: "user" | "application";
  /** Object id in the directory: of the user, or of the application's service principal. */
  readonly principalId: string;
  /** Shown to people as submitter. */
  readonly name: string;
  readonly roles: readonly AppRole[];
  /** When the token expires, in epoch milliseconds. */
  readonly expiresAt: number;
}

/** The token and grants of a caller, for `GET /v1/me`. */
export interface CallerIdentity {
  readonly kind: "user" | "application";
  readonly principalId: string;
  readonly roles: readonly AppRole[];
  /** Empty for a role that may use every tenant. */
  readonly grants: readonly Grant[];
}

export interface Caller {
  /** Shown as `submittedBy` and `createdBy`. */
  readonly name: string;
  /** Whether the caller may do for this tenant what the operation needs. */
  mayUse(tenantName: string): boolean;
  /** Whether the caller operates the system: may see what belongs to no tenant. Implies every tenant. */
  mayOperate(): boolean;
  /** The tenants `mayUse` is true for. */
  tenants(): readonly string[] | "all";
  /** Undefined: the API runs without authentication. */
  readonly identity?: CallerIdentity;
  /** When the token expires, in epoch milliseconds. Absent: there is no token. */
  readonly expiresAt?: number;
  /**
   * The same caller with its current grants, for answers that take long. Absent: rights cannot change. Throws
   * UnauthenticatedError when the token has expired, UnavailableError.
   */
  renewed?(): Promise<Caller>;
}

/** The caller of every request to an API that only this machine can reach. */
export const LOCAL_CALLER: Caller = {
  name: "local",
  mayUse: () => true,
  mayOperate: () => true,
  tenants: () => "all",
};

/**
 * Makes the middleware that finds the caller of an operation with these needs. The caller is for that operation alone:
 * `mayUse` says whether the caller may do what it needs for a tenant.
 */
export type Identify = (needs: Access) => RequestHandler;

/** Every request has this caller, whatever an operation needs. */
export const identifyAs =
  (caller: Caller): Identify =>
  () =>
  (_request, response, next) => {
    setCaller(response, caller);
    next();
  };

/** Gives the request a bearer from another source than its token, such as a ticket. */
export function presentBearer(response: Response, bearer: Bearer): void {
  response.locals["bearer"] = bearer;
}

export const presentedBearer = (response: Response): Bearer | undefined =>
  response.locals["bearer"] as Bearer | undefined;

export function setCaller(response: Response, caller: Caller): void {
  response.locals["caller"] = caller;
}

/** The caller, if the middleware has found one. */
export const findCaller = (response: Response): Caller | undefined => response.locals["caller"] as Caller | undefined;

/** The caller the middleware found. */
export function callerOf(response: Response): Caller {
  const caller = findCaller(response);
  if (caller === undefined)
    throw new InvariantError("A route was reached without the middleware that finds the caller.");
  return caller;
}

/** Tells callers apart without a name. */
export const callerKey = ({ name, identity }: Caller): string => identity?.principalId ?? name;

// --- For answers that go on long after the request was checked -------------------------------------------------------

/** The caller with its current grants. Throws UnauthenticatedError when the token has expired. */
export const currentCaller = (caller: Caller): Promise<Caller> => caller.renewed?.() ?? Promise.resolve(caller);

/** Whether the caller may still use all of these tenants. While grants cannot be read, the earlier answer counts. */
export async function stillMay(caller: Caller, tenantNames: Iterable<string>): Promise<boolean> {
  try {
    const current = await currentCaller(caller);
    return [...tenantNames].every((name) => current.mayUse(name));
  } catch (error) {
    if (error instanceof UnauthenticatedError || error instanceof ForbiddenError) return false;
    if (error instanceof UnavailableError) return true;
    throw error;
  }
}
