/**
 * Parses every setting of a stack with one schema into one typed object. It reports all problems at once, each with its
 * key and the allowed values. `stack-config.ts` reads the stack's configuration.
 */
import { z } from "zod";
import { DEFAULT_POOL } from "../runtime/core/deployment/topology.ts";
import { SETTINGS, strictMessage, type FlatConfig } from "./plan/settings.ts";
import { API_SKUS } from "./plan/skus.ts";
import { parseAddressSpace, poolCapacity, type AddressSpace } from "./plan/subnets.ts";

/** A configuration that cannot be deployed. The message lists every problem. */
export class InfraConfigError extends Error {
  override readonly name = "InfraConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The stack's configuration cannot be deployed:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

export interface PoolConfig {
  readonly name: string;
  /** The number of the pool's /22 in the address space. The default pool has 0. */
  readonly subnet: number;
  readonly vmSize: string;
  readonly osDiskGb: number;
  readonly slots: number;
  readonly spot: boolean;
  /** Whether its jobs have an identity of their own. */
  readonly jobIdentity: boolean;
  readonly scale:
    | { readonly kind: "auto"; readonly min: number; readonly max: number }
    | { readonly kind: "fixed"; readonly count: number };
}

export type AuthConfig =
  | {
      readonly mode: "create";
      readonly adminObjectIds: readonly string[];
      readonly redirectUris: readonly string[];
      readonly allowAzureCli: boolean;
    }
  | { readonly mode: "existing"; readonly clientId: string; readonly publicClientId: string };

export interface InfraConfig extends Omit<
  FlatConfig,
  "pools" | "addressSpace" | "deploySamples" | `auth${string}` | `packages${string}`
> {
  readonly pools: readonly PoolConfig[];
  readonly addressSpace: AddressSpace & { readonly text: string };
  readonly auth: AuthConfig;
  /** Job packages to deploy. */
  readonly packages: {
    /** The project's folder of packages. */
    readonly path: string;
    /** Whether the samples are deployed too. */
    readonly samples: boolean;
    /** The tenant they are published to. */
    readonly tenant: string;
  };
}

const shape = Object.fromEntries(Object.entries(SETTINGS).map(([name, { schema }]) => [name, schema]));
const schema = z.strictObject(shape, {
  error: strictMessage("is not a setting; docs/deploy.md lists all of them"),
});

/** Takes values by key, without the prefix `jobyard:`. Throws InfraConfigError with all problems. */
export function parseInfraConfig(given: Readonly<Record<string, unknown>>): InfraConfig {
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw new InfraConfigError(parsed.error.issues.flatMap(explain));
  // Each property was parsed with the schema of its entry. The mapped type states that.
  const flat = parsed.data as unknown as FlatConfig;
  const pools = poolsOf(flat);
  const space = parseAddressSpace(flat.addressSpace);
  const auth = authOf(flat);
  const problems = [
    ...scaleProblems(flat, pools),
    ...subnetProblems(flat, space, pools),
    ...apiProblems(flat),
    ...auth.problems,
  ];
  if (problems.length > 0 || space === undefined || auth.value === undefined) throw new InfraConfigError(problems);
  const { packagesPath: path, packagesTenant: tenant, deploySamples: samples } = flat;
  return {
    ...flat,
    pools,
    addressSpace: { ...space, text: flat.addressSpace },
    auth: auth.value,
    packages: { path, samples, tenant },
  };
}

/** Sorted by subnet, the default pool first: Pulumi passes objects with sorted keys, not in the written order. */
function poolsOf(flat: FlatConfig): readonly PoolConfig[] {
  const { [DEFAULT_POOL]: forDefault = {}, ...others } = flat.pools;
  const pools = Object.entries({ [DEFAULT_POOL]: forDefault, ...others }).map(([name, own]) => ({
    name,
    subnet: own.subnet ?? DEFAULT_SUBNET,
    vmSize: own.vmSize ?? flat.workerVmSize,
    osDiskGb: own.osDiskGb ?? flat.workerOsDiskGb,
    slots: own.slots ?? flat.workerSlots,
    spot: own.spot ?? flat.workerSpot,
    jobIdentity: own.jobIdentity ?? false,
    scale:
      (own.autoscale ?? flat.workerAutoscale)
        ? { kind: "auto", min: own.min ?? flat.workerMin, max: own.max ?? flat.workerMax }
        : { kind: "fixed", count: own.count ?? flat.workerCount },
  })) satisfies readonly PoolConfig[];
  return pools.toSorted((a, b) => a.subnet - b.subnet);
}

const DEFAULT_SUBNET = 0;

const scaleProblems = (flat: FlatConfig, pools: readonly PoolConfig[]): readonly string[] =>
  pools.flatMap(({ name, scale }) => {
    if (scale.kind === "fixed" || scale.min <= scale.max) return [];
    const own = flat.pools[name];
    const key = own?.min === undefined && own?.max === undefined ? "jobyard:workerMin" : `jobyard:pools.${name}.min`;
    return [`${key} is ${scale.min}, more than the maximum of the pool (${scale.max})`];
  });

/** A pool keeps its subnet forever, so each pool names its own, and no two are the same. */
function subnetProblems(
  flat: FlatConfig,
  space: AddressSpace | undefined,
  pools: readonly PoolConfig[],
): readonly string[] {
  if (space === undefined) return [];
  const room = poolCapacity(space);
  if (room < 1) return ["jobyard:addressSpace is too small for a worker pool, which takes a /22"];
  return pools.flatMap(({ name, subnet }) => {
    const key = `jobyard:pools.${name}.subnet`;
    if (name === DEFAULT_POOL)
      return flat.pools[name]?.subnet === undefined ? [] : [`${key} is always ${DEFAULT_SUBNET}`];
    const taken = pools.find((other) => other.name !== name && other.subnet === subnet);
    if (flat.pools[name]?.subnet === undefined)
      return [`${key} is missing: choose an unused number from 1 to ${room - 1}`];
    if (subnet >= room) return [`${key} must be from 1 to ${room - 1} in ${flat.addressSpace}`];
    return taken === undefined ? [] : [`${key} is ${subnet}, which pool ${taken.name} uses`];
  });
}

function apiProblems({ apiSku, apiMin, apiMax }: FlatConfig): readonly string[] {
  const { maxInstances, autoscale } = API_SKUS[apiSku];
  return [
    ...(apiMin > maxInstances ? [`jobyard:apiMin must be from 1 to ${maxInstances} with apiSku ${apiSku}`] : []),
    ...(autoscale && apiMax > maxInstances
      ? [`jobyard:apiMax must be from 1 to ${maxInstances} with apiSku ${apiSku}`]
      : []),
    ...(!autoscale && apiMax > 1
      ? [`jobyard:apiMax needs a plan that scales automatically (S or P), not ${apiSku}`]
      : []),
    ...(autoscale && apiMax > 1 && apiMin > apiMax
      ? [`jobyard:apiMin is ${apiMin}, more than apiMax (${apiMax})`]
      : []),
  ];
}

function authOf(flat: FlatConfig): { readonly value?: AuthConfig; readonly problems: readonly string[] } {
  const { authClientId: clientId, authPublicClientId: publicClientId } = flat;
  if (flat.authMode === "create") {
    const given = (["authClientId", "authPublicClientId"] as const).filter((key) => flat[key] !== undefined);
    return {
      value: {
        mode: "create",
        adminObjectIds: flat.authAdminObjectIds,
        redirectUris: flat.authRedirectUris,
        allowAzureCli: flat.authAllowAzureCli,
      },
      problems: given.map((key) => `jobyard:${key} is for authMode existing`),
    };
  }
  if (clientId !== undefined && publicClientId !== undefined) {
    return { value: { mode: "existing", clientId, publicClientId }, problems: [] };
  }
  const missing = (["authClientId", "authPublicClientId"] as const).filter((key) => flat[key] === undefined);
  return { problems: missing.map((key) => `jobyard:${key} is required with authMode existing`) };
}

type Issue = z.core.$ZodIssue;

/** One line for each problem, with the whole key. */
function explain(issue: Issue): readonly string[] {
  const key = `jobyard:${issue.path.map(String).join(".")}`;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((name) => `${issue.path.length === 0 ? key : `${key}.`}${name} ${issue.message}`);
  }
  // For the name of a pool or tag, the error of its own pattern.
  if (issue.code === "invalid_key") return issue.issues.map(({ message }) => `${key} ${message}`);
  return [`${key} ${issue.message}`];
}
