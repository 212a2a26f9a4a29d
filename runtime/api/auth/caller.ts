/** Who makes a request. Routes ask here and nowhere else; how a caller is known is the business of one middleware. */
import type { RequestHandler, Response } from "express";
import { ForbiddenError, InvariantError, UnauthenticatedError, UnavailableError } from "../../core/errors.ts";
import type { Access, AppRole, Grant } from "../../core/http/access.ts";

/** What a verified token says of who brings it. */
export interface Bearer {
  readonly kind: "user" | "application";
  /** Object id in the directory: of the user, or of the application's service principal. */
  readonly principalId: string;
  /** For people: what is shown as submitter. */
  readonly name: string;
  readonly roles: readonly AppRole[];
  /** When the token ends, in epoch milliseconds. */
  readonly expiresAt: number;
}

/** What a token and the grants say of a caller, for `GET /v1/me`. */
export interface CallerIdentity {
  readonly kind: "user" | "application";
  readonly principalId: string;
  readonly roles: readonly AppRole[];
  /** Empty for those whose role opens every tenant. */
  readonly grants: readonly Grant[];
}

export interface Caller {
  /** Shown as `submittedBy` and `createdBy`. */
  readonly name: string;
  /** Whether the caller may do for this tenant what the operation needs. */
  mayUse(tenantName: string): boolean;
  /** Whether the caller looks after the system itself: sees what belongs to no tenant. Implies every tenant. */
  mayOperate(): boolean;
  /** The tenants `mayUse` is true for. */
  tenants(): readonly string[] | "all";
  /** Undefined where the API does not know its callers. */
  readonly identity?: CallerIdentity;
  /** Until when the token counts, in epoch milliseconds. Absent where there is none. */
  readonly expiresAt?: number;
  /**
   * The same caller with the grants of now, for answers that take long. Absent where nothing can be taken away. Throws
   * UnauthenticatedError when the token has ended, UnavailableError.
   */
  renewed?(): Promise<Caller>;
}

/** For an API that only this machine can reach: everybody here is the same trusted user. */
export const LOCAL_CALLER: Caller = {
  name: "local",
  mayUse: () => true,
  mayOperate: () => true,
  tenants: () => "all",
};

/**
 * The middleware that says who calls an operation with these needs. The caller it puts in place answers for that
 * operation alone: `mayUse` says whether the caller may do what it needs for a tenant.
 */
export type Identify = (needs: Access) => RequestHandler;

/** Everybody is this caller, whatever an operation needs. */
export const identifyAs =
  (caller: Caller): Identify =>
  () =>
  (_request, response, next) => {
    setCaller(response, caller);
    next();
  };

/** Whoever was found out in another way than by the token of this request: it is judged as a token's bearer would be. */
export function presentBearer(response: Response, bearer: Bearer): void {
  response.locals["bearer"] = bearer;
}

export const presentedBearer = (response: Response): Bearer | undefined =>
  response.locals["bearer"] as Bearer | undefined;

export function setCaller(response: Response, caller: Caller): void {
  response.locals["caller"] = caller;
}

/** The caller, if the request came so far that one was found. */
export const findCaller = (response: Response): Caller | undefined => response.locals["caller"] as Caller | undefined;

/** The caller the middleware found. */
export function callerOf(response: Response): Caller {
  const caller = findCaller(response);
  if (caller === undefined)
    throw new InvariantError("A route was reached without the middleware that names the caller.");
  return caller;
}

/** Tells callers apart, without naming anybody. */
export const callerKey = ({ name, identity }: Caller): string => identity?.principalId ?? name;

// Whether a caller may go on: asked again and again for what is answered long after its request was judged.

/** The caller with the grants of now. Throws UnauthenticatedError when the token has ended. */
export const currentCaller = (caller: Caller): Promise<Caller> => caller.renewed?.() ?? Promise.resolve(caller);

/** Whether the token still counts and opens all of these tenants. While grants cannot be read, what was known counts. */
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
