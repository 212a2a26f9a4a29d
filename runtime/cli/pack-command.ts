/** `jobyard pack <directory>`: makes a package and says what is in it. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { Command, Option } from "commander";
import type { ManifestJob, PackagePlatform } from "../core/manifest.ts";
import type { PackResult } from "../packaging/pack.ts";
import type { Terminal } from "./terminal.ts";

interface PackOptions {
  readonly out?: string;
  readonly os: string;
  readonly arch: string;
  readonly libc: "glibc" | "musl";
  readonly json?: true;
}

export function packCommand(terminal: Terminal): Command {
  return new Command("pack")
    .description("Make a package: find its jobs, bundle its code, write one ZIP.")
    .argument("<directory>", "the package's directory, with its package.json")
    .option("-o, --out <file>", "where to write the ZIP (default: <directory>/dist/<name>.zip)")
    .addOption(new Option("--os <os>", "the workers' operating system, for native modules").default("linux"))
    .addOption(new Option("--arch <arch>", "the workers' processor").default("x64"))
    .addOption(
      new Option("--libc <libc>", "the workers' C library, on Linux").choices(["glibc", "musl"]).default("glibc"),
    )
    .option("--json", "print the result as one line of JSON")
    .addHelpText("after", "\nThis machine as the target: --os " + process.platform + " --arch " + process.arch)
    .action((directory: string, options: PackOptions) => pack(directory, options, terminal));
}

async function pack(directory: string, options: PackOptions, terminal: Terminal): Promise<void> {
  // Loaded here: the compiler it brings along takes longer to load than other commands take to run.
  const { packPackage } = await import("../packaging/pack.ts");
  const result = await packPackage({ directory, target: targetOf(options) });
  const file = options.out ?? join(directory, "dist", `${result.manifest.name}.zip`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, result.zip);
  for (const warning of result.warnings) terminal.error(`Warning: ${warning}`);
  terminal.out(options.json === true ? asJson(file, result) : asText(file, result));
}

const targetOf = ({ os, arch, libc }: PackOptions): PackagePlatform =>
  os === "linux" ? { os, arch, libc } : { os, arch };

const asJson = (file: string, { manifest, zip, sha256, fileCount, warnings }: PackResult): string =>
  JSON.stringify({ file, bytes: zip.length, sha256, fileCount, warnings, manifest });

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

function showBytes(bytes: number): string {
  const mebibytes = bytes / 1024 / 1024;
  return mebibytes >= 1 ? `${mebibytes.toFixed(1)} MiB` : `${Math.max(1, Math.round(bytes / 1024))} KiB`;
}
