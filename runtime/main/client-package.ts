/**
 * `npm run build:client`: writes the client package for other programs. Without `-- --name @scope/name` it can be copied,
 * and npm refuses to publish it.
 */
import { join } from "node:path";
import { Command } from "commander";
import { buildClientPackage, PackageNameError } from "../package/build/build-client-package.ts";

const options = new Command("npm run build:client --")
  .description("Writes the package that other programs install to dist/client.")
  .option("--name <name>", "package name in your scope; without it npm refuses to publish the package")
  .allowExcessArguments(false)
  .parse()
  .opts<{ readonly name?: string }>();
try {
  const { directory, minifiedBytes } = await buildClientPackage(
    join(import.meta.dirname, "../../dist/client"),
    options,
  );
  console.log(`${directory}: ${(minifiedBytes / 1024).toFixed(1)} KiB minified`);
} catch (error) {
  if (!(error instanceof PackageNameError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
