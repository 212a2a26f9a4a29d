/**
 * The child host as one JavaScript file. A child that has to strip types from the host first starts three times as slowly.
 * A release ships the file beside the worker; from source it is made at the start. It is CommonJS, because Node starts that
 * with a seventh less work than a module, which is most of what a job of its own process costs.
 */
import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Its name tells Node that it is CommonJS. */
const HOST_FILE = "host.cjs";
/** Beside the bundled worker. */
const SHIPPED = join(import.meta.dirname, HOST_FILE);

/** The shipped file, or else one made from source in the directory. */
export const hostFile = (directory: string): Promise<string> =>
  existsSync(SHIPPED) ? Promise.resolve(SHIPPED) : bundleHost(directory);

/** Creates or replaces the file in a directory that exists; it is complete at every moment. Resolves to its path. */
export async function bundleHost(directory: string): Promise<string> {
  // Not imported above, so that a worker with a finished bundle does without the bundler.
  const { buildSync } = await import("esbuild");
  const file = join(directory, HOST_FILE);
  const half = `${file}.${process.pid}.cjs`;
  // Synchronous, because that leaves no process of the bundler behind.
  buildSync({
    entryPoints: [fileURLToPath(new URL("../host/main.ts", import.meta.url))],
    outfile: half,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    logLevel: "error",
  });
  await rename(half, file);
  return file;
}
