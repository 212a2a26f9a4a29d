/** `npm run attack`: everything hostile that the tests hold, as one suite with a count by family. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { attackFiles } from "./files.ts";
import { tagOf } from "./families.ts";

// Long tests too. The same rules over other stores are not another attack.
process.env["TEST_BREADTH"] = "full";
const projects = ["unit", "integration", "api", "infra"].flatMap((name) => ["--project", name]);
const reporters = ["--reporter=default", "--reporter=./test/attack/report.ts"];
const { status } = spawnSync(
  "vitest",
  ["run", ...projects, "--tags-filter", tagOf("*"), ...reporters, ...attackFiles(), ...process.argv.slice(2)],
  { stdio: "inherit" },
);
process.exitCode = status ?? 1;
