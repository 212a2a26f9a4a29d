/**
 * `npm run build:client`: writes the package other programs install. Without `-- --name @scope/name` it can be copied, and
 * npm refuses to publish it.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildClientPackage, PackageNameError } from "../packaging/client-package.ts";

const { values } = parseArgs({ options: { name: { type: "string" } } });
try {
  const { directory, minifiedBytes } = await buildClientPackage(join(import.meta.dirname, "../../dist/client"), values);
  console.log(`${directory}: ${(minifiedBytes / 1024).toFixed(1)} KiB minified`);
} catch (error) {
  if (!(error instanceof PackageNameError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
