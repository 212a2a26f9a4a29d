/** Measures the size of the client in a page: uncompressed, and as transferred. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { buildClientPackage } from "../runtime/package/build/build-client-package.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import type { Benchmark } from "./bench.ts";

export const benchmark: Benchmark = async (report) => {
  await using directory = await temporaryDirectory();
  const { minifiedBytes, modules } = await buildClientPackage(directory.path);
  const code = await readFile(join(directory.path, "client.js"));
  report({ name: "client for browsers, minified", value: minifiedBytes, unit: "bytes" });
  report({ name: "client, readable, gzip", value: gzipSync(code).byteLength, unit: "bytes" });
  report({ name: "modules in it", value: modules.length, unit: "files" });
};
