/** `jobyard types`: writes TypeScript types of a tenant's published jobs, for programs in other repositories. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { connect, counted, type RemoteOptions, show, tenantOf } from "../command.ts";
import { type PublishedPackage, typesOf } from "../schema-types.ts";
import type { Surroundings } from "../terminal.ts";

interface TypesOptions extends RemoteOptions {
  readonly tenant?: string;
  readonly out?: string;
}

export async function types(options: TypesOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const client = await connect(options, around);
  const tenantName = await tenantOf(client, options.tenant, around);
  const packages: PublishedPackage[] = [];
  for await (const { packageName, sha256 } of client.monitoring.getPackages(tenantName, { signal })) {
    const jobs = await client.monitoring.getPackageJobs(tenantName, packageName, { signal });
    packages.push({ packageName, sha256, jobs });
  }
  const text = typesOf(tenantName, packages);
  if (options.out === undefined) {
    show(terminal, options, { packages }, () => text.trimEnd());
    return;
  }
  await mkdir(dirname(options.out), { recursive: true });
  await writeFile(options.out, text);
  terminal.error(`${options.out}: ${counted(packages.length, "package")} of ${tenantName}.`);
}
