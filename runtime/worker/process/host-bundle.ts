/**
 * The child host as one JavaScript file: a child that has to strip types from the host first starts three times as
 * slowly. A release ships the file beside the worker; whoever runs from source has it made at the start.
 */
import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Beside the bundled worker; the release names it so. */
const SHIPPED = join(import.meta.dirname, "host.mjs");

/** The shipped file, or else `file`, made from source. */
export const hostFile = (file: string): Promise<string> =>
  existsSync(SHIPPED) ? Promise.resolve(SHIPPED) : bundleHost(file);

/** Creates or replaces `file`, which is complete at every moment; resolves to it. */
export async function bundleHost(file: string): Promise<string> {
  // Not imported above, so that a worker with a finished bundle does without the bundler.
  const { buildSync } = await import("esbuild");
  const half = `${file}.${process.pid}.mjs`;
  // Synchronous, because that leaves no process of the bundler behind.
  buildSync({
    entryPoints: [fileURLToPath(new URL("host/main.ts", import.meta.url))],
    outfile: half,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    logLevel: "error",
  });
  await rename(half, file);
  return file;
}
