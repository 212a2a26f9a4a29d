/**
 * `npm run build:package`: writes the package for people without a clone to `dist/package`, and its tarball beside it.
 * With a placeholder for a name npm refuses to publish it; the tarball can be installed.
 */
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Command } from "commander";
import { buildJobyardPackage, PackageNameError } from "../package/build/build-jobyard-package.ts";

const DIST = join(import.meta.dirname, "../../dist");

const options = new Command("npm run build:package --")
  .description("Writes the package that other repositories install, and its tarball, to dist.")
  .option("--name <name>", "package name in your scope (default: that of this repository)")
  .allowExcessArguments(false)
  .parse()
  .opts<{ readonly name?: string }>();
try {
  const { directory } = await buildJobyardPackage(join(DIST, "package"), options);
  const args = ["pack", directory, "--pack-destination", DIST, "--json", "--loglevel=error"];
  const { stdout } = await promisify(execFile)("npm", args);
  const [{ filename = "" } = {}] = JSON.parse(stdout) as readonly { readonly filename?: string }[];
  const tarball = join(DIST, filename);
  console.log(`${tarball}: ${((await stat(tarball)).size / 1024 / 1024).toFixed(1)} MiB`);
} catch (error) {
  if (!(error instanceof PackageNameError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
