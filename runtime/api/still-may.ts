/** Whether a caller may go on: asked again and again for what is answered long after its request was judged. */
import { ForbiddenError, UnauthenticatedError, UnavailableError } from "../core/errors.ts";
import type { Caller } from "./caller.ts";

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
