/** What every page needs: the client of the API, who the caller is, which tenant the page is about, what a grant allows. */
import { createContext, use } from "react";
import { useQuery } from "@tanstack/react-query";
import { useLocation, useSearch } from "wouter";
import type { JobServiceClient, MeView } from "../../runtime/client/index.ts";
import { parseBatchId, parseJobId } from "../../runtime/core/job/ids.ts";
import { isAllowed, rolesFor, type Access } from "../../runtime/core/http/access.ts";
import type { SignedIn } from "./sign-in.ts";

export const SessionContext = createContext<SignedIn | undefined>(undefined);

export function useSession(): SignedIn {
  const session = use(SessionContext);
  if (session === undefined) throw new Error("A page is shown inside of a session.");
  return session;
}

export const useClient = (): JobServiceClient => useSession().client;

export function useMe() {
  const client = useClient();
  return useQuery({
    queryKey: ["me"],
    queryFn: ({ signal }) => client.monitoring.getMe({ signal }),
    staleTime: 60_000,
  });
}

export interface Tenants {
  /** Those that the caller may see. Undefined: not known yet. */
  readonly names: readonly string[] | undefined;
  /** Why not. */
  readonly error: Error | null;
  readonly refresh: () => void;
}

export function useTenants(): Tenants {
  const client = useClient();
  const { data: me, error, refetch } = useMe();
  const all = useQuery({
    queryKey: ["tenants"],
    enabled: me?.allTenants === true,
    queryFn: async ({ signal }) => (await Array.fromAsync(client.monitoring.getTenants({ signal }))).map(nameOf),
    staleTime: 60_000,
  });
  if (me?.allTenants) return { names: all.data, error: all.error, refresh: () => void all.refetch() };
  return { names: me?.grants.map(nameOf), error, refresh: () => void refetch() };
}

const nameOf = ({ tenantName }: { readonly tenantName: string }): string => tenantName;

const LAST_TENANT = "jobyard.tenant";

/** The tenant of this page: the address has it, so that a link shows everybody the same. */
export function useTenant(): string | undefined {
  const { names } = useTenants();
  const named = new URLSearchParams(useSearch()).get("tenant");
  const [path] = useLocation();
  if (named !== null) return named;
  // The id of a batch or a job begins with its tenant.
  const id = decodeURIComponent(path.split("/")[2] ?? "");
  const own = parseJobId(id) ?? parseBatchId(id);
  if (own !== undefined) return own.tenantName;
  const last = localStorage.getItem(LAST_TENANT);
  return names?.find((name) => name === last) ?? names?.[0];
}

export const rememberTenant = (tenantName: string): void => localStorage.setItem(LAST_TENANT, tenantName);

export interface Allowed {
  readonly allowed: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** Whether the caller may do what needs this access, for a tenant. The API decides again at each call. */
export function useAccess(needs: Access, tenantName?: string): Allowed {
  const { hasUsers } = useSession();
  const { data: me } = useMe();
  return hasUsers ? accessOf(me, needs, tenantName) : { allowed: true };
}

function accessOf(me: MeView | undefined, needs: Access, tenantName = ""): Allowed {
  if (me === undefined) return { allowed: false, reason: "Your access could not be read." };
  if (isAllowed(me, needs, tenantName)) return { allowed: true };
  const roles = rolesFor(needs).join(" or ");
  if (needs === "operate") return { allowed: false, reason: `This needs the app role ${roles}.` };
  const grant = me.grants.find((one) => one.tenantName === tenantName);
  const has = grant === undefined ? "You have no grant" : `Your grant is "${grant.access}"`;
  return {
    allowed: false,
    reason: `This needs the grant "${needs}" on ${tenantName} and the role ${roles}. ${has}.`,
  };
}
