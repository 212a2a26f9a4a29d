/**
 * Makes one JavaScript file of the child host, for whoever runs from source: a child that has to strip types from the
 * host first starts three times as slowly. A deployment ships the file with the worker. It is CommonJS, because Node
 * starts that with a seventh less work than a module, which is most of what a job of its own process costs.
 */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Its name tells Node that it is CommonJS. */
const HOST_FILE = "host.cjs";

/** Creates or replaces the file in a directory that exists; it is complete at every moment. Resolves to its path. */
export async function bundleHost(directory: string): Promise<string> {
  // Not imported above, so that a worker with a finished bundle does without the bundler.
  const { buildSync } = await import("esbuild");
  const file = join(directory, HOST_FILE);
  const half = `${file}.${process.pid}.cjs`;
  // Synchronous, because that leaves no process of the bundler behind.
  buildSync({
    entryPoints: [fileURLToPath(new URL("host/main.ts", import.meta.url))],
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
