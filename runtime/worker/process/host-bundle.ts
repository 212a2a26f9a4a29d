/**
 * Makes one JavaScript file of the child host, for whoever runs from source: a child that has to strip types from the
 * host first starts three times as slowly. A deployment ships the file with the worker. It is CommonJS, because Node
 * starts that with a seventh less work than a module, which is most of what a job of its own process costs.
 */
import { rename } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** Creates or replaces `file` (`….cjs`), which is complete at every moment; resolves to it. */
export async function bundleHost(file: string): Promise<string> {
  // Not imported above, so that a worker with a finished bundle does without the bundler.
  const { buildSync } = await import("esbuild");
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
