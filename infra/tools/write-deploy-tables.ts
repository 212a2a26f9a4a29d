/** `npm run infra:docs`: regenerates the tables of docs/deploy.md. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { format } from "prettier";
import { withTables } from "./deploy-tables.ts";
import { ROOT } from "./stack-graph.ts";

const file = join(ROOT, "docs", "deploy.md");
const document = withTables(await readFile(file, "utf8"));
await writeFile(file, await format(document, { parser: "markdown", printWidth: 120 }));
