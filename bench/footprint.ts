/** What the system takes: time to start, memory of its processes, size of what is deployed, loaded and installed. */
import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { programFiles } from "../infra/program-files.ts";
import { buildClient } from "../runtime/package/build/build-jobyard-package.ts";
import { writeZip } from "../runtime/package/build/zip.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import { jobOf, prepare, rssMiB, submitOne, withStack } from "./stack.ts";
import { type Report, rounded, sharedNow } from "./suite.ts";

const PROGRAMS = ["api", "worker-1", "bus", "storage", "identity"];

export async function run(report: Report): Promise<void> {
  const startedAt = sharedNow();
  await withStack({ workers: 1, slots: 4 }, async (stack) => {
    report({ name: "start until the stack is ready", value: Math.round(sharedNow() - startedAt), unit: "ms" });
    const { client, call } = await prepare(stack);
    const { output } = await client.waitForJob(await submitOne(call, jobOf("Stamp", "process")));
    const ranAt = Number(output);
    report({ name: "start until the first line of user code", value: Math.round(ranAt - startedAt), unit: "ms" });
    for (const name of PROGRAMS)
      report({ name: `memory (RSS), idle: ${name}`, value: await rssMiB(stack, name), unit: "MiB" });
  });
  await measureBundles(report);
  await measureInstallation(report);
}

const kib = (bytes: number): number => rounded(bytes / 1_024);

async function measureBundles(report: Report): Promise<void> {
  const programs = await programFiles();
  for (const [name, files] of Object.entries(programs)) {
    const raw = files.reduce((sum, { content }) => sum + content.length, 0);
    report({ name: `bundle of the ${name}`, value: kib(raw), unit: "KiB" });
    report({ name: `bundle of the ${name}, as its ZIP`, value: kib((await writeZip(files)).length), unit: "KiB" });
  }
  await using directory = await temporaryDirectory();
  const { minifiedBytes, modules } = await buildClient(join(directory.path, "client.js"));
  const code = await readFile(join(directory.path, "client.js"));
  report({ name: "client for browsers, minified", value: minifiedBytes, unit: "bytes" });
  report({ name: "client, readable, gzip", value: gzipSync(code).byteLength, unit: "bytes" });
  report({ name: "modules in the client", value: modules.length, unit: "files" });
}

async function measureInstallation(report: Report): Promise<void> {
  const folder = join(import.meta.dirname, "../node_modules");
  await stat(folder);
  const sizes = promisify(execFile)("du", ["-sm", folder]);
  const files = promisify(execFile)("sh", ["-c", 'find "$0" -type f | wc -l', folder]);
  report({ name: "installation (node_modules)", value: Number((await sizes).stdout.split("\t")[0]), unit: "MiB" });
  report({ name: "files of the installation", value: Number((await files).stdout), unit: "files" });
}
