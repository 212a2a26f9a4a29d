/** `jobyard pack <directory>`: makes a package and says what is in it. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { type Command, Option } from "commander";
import type { ManifestJob, PackagePlatform } from "../../core/manifest.ts";
import type { PackResult } from "../../packaging/pack.ts";
import { localCommand, show, showBytes } from "../command.ts";
import type { Surroundings, Terminal } from "../terminal.ts";

interface PackOptions {
  readonly out?: string;
  readonly os: string;
  readonly arch: string;
  readonly libc: "glibc" | "musl";
  readonly json?: true;
}

export const packCommand = ({ terminal }: Surroundings): Command =>
  localCommand("pack", "Make a package: find its jobs, bundle its code, write one ZIP.", [
    "pack packages-sample/thumbnails",
    `pack my-package --os ${process.platform} --arch ${process.arch}   # for this machine`,
  ])
    .argument("<directory>", "the package's directory, with its package.json")
    .option("-o, --out <file>", "where to write the ZIP (default: <directory>/dist/<name>.zip)")
    .addOption(new Option("--os <os>", "the workers' operating system, for native modules").default("linux"))
    .addOption(new Option("--arch <arch>", "the workers' processor").default("x64"))
    .addOption(
      new Option("--libc <libc>", "the workers' C library, on Linux").choices(["glibc", "musl"]).default("glibc"),
    )
    .option("--json", "print the result as one line of JSON")
    .action((directory: string, options: PackOptions) => pack(directory, options, terminal));

async function pack(directory: string, options: PackOptions, terminal: Terminal): Promise<void> {
  // Loaded here: the compiler it brings along takes longer to load than other commands take to run.
  const { packPackage } = await import("../../packaging/pack.ts");
  const result = await packPackage({ directory, target: targetOf(options) });
  const file = options.out ?? join(directory, "dist", `${result.manifest.name}.zip`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, result.zip);
  for (const warning of result.warnings) terminal.error(`Warning: ${warning}`);
  show(terminal, options, asJson(file, result), () => asText(file, result));
}

const targetOf = ({ os, arch, libc }: PackOptions): PackagePlatform =>
  os === "linux" ? { os, arch, libc } : { os, arch };

const asJson = (file: string, { manifest, zip, sha256, fileCount, warnings }: PackResult) => ({
  ...{ file, bytes: zip.length, sha256, fileCount, warnings, manifest },
});

function asText(file: string, { manifest, zip, sha256, fileCount }: PackResult): string {
  const { name, version, platform, jobs } = manifest;
  const width = Math.max(...jobs.map(({ jobType }) => jobType.length));
  return [
    `${name}${version === undefined ? "" : ` ${version}`} → ${relative(".", file)}`,
    `  ${showBytes(zip.length)} in ${fileCount} files, for ${showPlatform(platform)}`,
    `  sha256 ${sha256}`,
    ...jobs.map((job) => `  job ${job.jobType.padEnd(width)}  ${showEntry(job)}`),
  ].join("\n");
}

const showPlatform = (platform: PackagePlatform | "any"): string =>
  platform === "any" ? "any platform" : [platform.os, platform.arch, platform.libc].filter(Boolean).join("-");

const showEntry = ({ entry }: ManifestJob): string =>
  entry.kind === "module" ? entry.file : [entry.command, ...(entry.args ?? [])].join(" ");
