/** `npm run build:client`: writes the package other programs install, to be published or copied. */
import { join } from "node:path";
import { buildClientPackage } from "../packaging/client-package.ts";

const { directory, minifiedBytes } = await buildClientPackage(join(import.meta.dirname, "../../dist/client"));
console.log(`${directory}: ${(minifiedBytes / 1024).toFixed(1)} KiB minified`);
