/** `jobyard packages`: lists a tenant's packages and their versions, restores a version, deletes a package. */
import type { JobServiceClient, PackageVersionView } from "../../client/index.ts";
import {
  connect,
  counted,
  firstOf,
  LONG,
  show,
  showBytes,
  showInstant,
  tenantOf,
  type RemoteOptions,
} from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface PackageOptions extends RemoteOptions {
  readonly tenant?: string;
}

interface ListOptions extends PackageOptions {
  readonly limit: number;
}

interface DeleteOptions extends PackageOptions {
  readonly yes?: true;
}

export async function listPackages(options: ListOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const client = await connect(options, around);
  const tenantName = await tenantOf(client, options.tenant, around);
  const pageSize = Math.min(1_000, options.limit);
  const items = await firstOf(client.monitoring.getPackages(tenantName, { pageSize, signal }), options.limit);
  show(terminal, options, { items }, () =>
    table(
      ["package", "version", "size", "published", "by", { title: "jobs", shortens: true }],
      items.map((one) => [
        one.packageName,
        shortVersion(one.sha256),
        showBytes(one.bytes),
        showInstant(one.uploadedAt),
        one.uploadedBy ?? "-",
        (one.jobTypes ?? []).join(", "),
      ]),
      { ...terminal, empty: "No packages." },
    ),
  );
}

export async function listVersions(options: PackageOptions, around: Surroundings, given: string): Promise<void> {
  const { terminal, signal } = around;
  const { client, tenantName, packageName } = await resolve(given, options, around);
  const items = await client.monitoring.getPackageVersions(tenantName, packageName, { signal });
  show(terminal, options, { items }, () =>
    table(
      ["version", "published", "by", "size", "", { title: "jobs", shortens: true }],
      items.map((one) => [
        shortVersion(one.sha256),
        showInstant(one.uploadedAt),
        one.uploadedBy ?? "-",
        showBytes(one.bytes),
        one.isCurrent ? terminal.paint("green", "current") : "",
        (one.jobTypes ?? []).join(", "),
      ]),
      { ...terminal, empty: "No versions." },
    ),
  );
}

export async function restoreVersion(
  options: PackageOptions,
  around: Surroundings,
  given: string,
  version: string,
): Promise<void> {
  const { terminal, signal } = around;
  const { client, tenantName, packageName } = await resolve(given, options, around);
  const sha256 = fullVersion(version, await client.monitoring.getPackageVersions(tenantName, packageName, { signal }));
  const restored = await client.management.restorePackageVersion(tenantName, packageName, sha256, { signal });
  show(
    terminal,
    options,
    restored,
    () => `Jobs of ${packageName} now run version ${shortVersion(sha256)}${timersText(restored.timers)}.`,
  );
}

const timersText = (timers: readonly string[]): string =>
  timers.length === 0 ? "" : `, with ${counted(timers.length, "timer")}: ${timers.join(", ")}`;

export async function removePackage(options: DeleteOptions, around: Surroundings, given: string): Promise<void> {
  const { terminal, signal } = around;
  const { client, tenantName, packageName } = await resolve(given, options, around);
  if (options.yes !== true) {
    throw new UsageError(
      `This deletes ${packageName} of ${tenantName} with all its versions and timers. Its waiting jobs will fail. ` +
        "To confirm, add --yes.",
    );
  }
  await client.management.deletePackage(tenantName, packageName, { signal });
  show(terminal, options, { deleted: packageName, tenantName }, () => `Deleted ${packageName} of ${tenantName}.`);
}

interface Resolved {
  readonly client: JobServiceClient;
  readonly tenantName: string;
  readonly packageName: string;
}

async function resolve(given: string, options: PackageOptions, around: Surroundings): Promise<Resolved> {
  const client = await connect(options, around, LONG);
  const tenantName = await tenantOf(client, options.tenant, around);
  return { client, tenantName, packageName: given.endsWith(".zip") ? given : `${given}.zip` };
}

/** The version whose hash starts with this. Throws UsageError if none or several match. */
function fullVersion(given: string, versions: readonly PackageVersionView[]): string {
  const found = versions.flatMap(({ sha256 }) => (sha256?.startsWith(given.toLowerCase()) ? [sha256] : []));
  const [only, ...others] = new Set(found);
  if (only !== undefined && others.length === 0) return only;
  const known = versions.map(({ sha256 }) => shortVersion(sha256)).join(", ");
  throw new UsageError(
    only === undefined
      ? `Version ${given} does not exist. Versions: ${known}.`
      : `${counted(others.length + 1, "version")} start with ${given}. Use more letters: ${found.map(shortVersion).join(", ")}.`,
  );
}

/** Enough of a version's hash to identify it. */
export const shortVersion = (sha256: string | undefined): string => sha256?.slice(0, 12) ?? "-";
