/** `npm run infra:docs`: regenerates the parts of docs/deploy.md and docs/operate.md that come from the code. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { format } from "prettier";
import { withDeployTables } from "./deploy-tables.ts";
import { withOperateParts } from "./operate-parts.ts";
import { ROOT } from "./stack-graph.ts";

const GENERATED = { "deploy.md": withDeployTables, "operate.md": withOperateParts } as const;

for (const [name, generate] of Object.entries(GENERATED)) {
  const file = join(ROOT, "docs", name);
  const document = generate(await readFile(file, "utf8"));
  await writeFile(file, await format(document, { parser: "markdown", printWidth: 120 }));
}
