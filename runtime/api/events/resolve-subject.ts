/** Checks that what a caller wants to follow exists and that the caller may read it. */
import { NotFoundError } from "../../core/errors.ts";
import type { Caller } from "../auth/caller.ts";
import type { Lookup } from "../lookup.ts";
import type { Subject } from "./fan-out.ts";

export type ResolveSubject = (caller: Caller, subject: Subject) => Promise<void>;

/** Throws NotFoundError, also for what belongs to a tenant that the caller may not read. */
export const createResolveSubject =
  (lookup: Pick<Lookup, "job" | "batch">): ResolveSubject =>
  async (caller, { kind, id }) => {
    switch (kind) {
      case "job":
        await lookup.job(caller, id);
        return;
      case "batch":
        await lookup.batch(caller, id);
        return;
      case "tenant":
        if (!caller.mayUse(id)) throw new NotFoundError("TenantNotFound", `There is no tenant ${id} for this caller.`);
    }
  };
