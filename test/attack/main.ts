/** `npm run attack`: runs all hostile tests as one suite and counts them by family. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { attackFiles } from "./files.ts";
import { tagOf } from "./families.ts";

// Includes the long tests. The same rules over other stores do not count as another attack.
process.env["TEST_BREADTH"] = "full";
const projects = ["unit", "integration", "api", "infra"].flatMap((name) => ["--project", name]);
const reporters = ["--reporter=default", "--reporter=./test/attack/report.ts"];
const { status } = spawnSync(
  "vitest",
  ["run", ...projects, "--tags-filter", tagOf("*"), ...reporters, ...attackFiles(), ...process.argv.slice(2)],
  { stdio: "inherit" },
);
process.exitCode = status ?? 1;
