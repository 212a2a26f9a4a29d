/**
 * Reports the number of cases of each family, and checks the numbers in docs/security.md. A complete run fails if they
 * differ. With `--update` it writes them.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node";
import { ATTACK_FAMILIES, tagOf, type AttackFamily } from "./families.ts";
import { attackFiles } from "./files.ts";

const DOCUMENT = join(import.meta.dirname, "../../docs/security.md");
/** The same tests as in `api`, over other stores. */
const REPEATED = "api-azurite";
const FAMILIES = Object.keys(ATTACK_FAMILIES) as AttackFamily[];
type State = ReturnType<TestCase["result"]>["state"];

export default class AttackReport implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const cases = modules
      .filter(({ project }) => project.name !== REPEATED)
      .flatMap(({ children }) => [...children.allTests()]);
    const counts = new Map(FAMILIES.map((family) => [family, statesOf(cases, family)]));
    const write = (line: string): void => this.#vitest?.logger.log(line);
    write(`\nattacks      ${["cases", "passed", "skipped", "failed"].map(cell).join("")}`);
    for (const [family, states] of [...counts, ["in all", [...counts.values()].flat()] as const]) {
      const numbers = [states.length, ...["passed", "skipped", "failed"].map((state) => countOf(states, state))];
      write(`${family.padEnd(13)}${numbers.map(cell).join("")}`);
    }
    const ran = new Set(modules.map(({ moduleId }) => moduleId));
    if (!attackFiles().every((file) => ran.has(file))) return;
    const updates = this.#vitest?.config.snapshotOptions.updateSnapshot === "all";
    for (const problem of updates ? updateDocument(counts) : problemsOf(counts)) {
      write(problem);
      process.exitCode = 1;
    }
  }
}

const cell = (value: number | string): string => String(value).padStart(9);

const statesOf = (cases: readonly TestCase[], family: AttackFamily): readonly State[] =>
  cases.filter(({ tags }) => tags.includes(tagOf(family))).map((one) => one.result().state);

const countOf = (states: readonly State[], state: string): number => states.filter((one) => one === state).length;

type Counts = ReadonlyMap<AttackFamily, readonly State[]>;

/** The last cell of a family's row is its number. */
const rowOf = (family: AttackFamily): RegExp => new RegExp(`^(\\| ${family} +\\|.*\\| +)(\\d+)( +\\|)$`, "m");

function problemsOf(counts: Counts): readonly string[] {
  const text = readFileSync(DOCUMENT, "utf8");
  return [...counts].flatMap(([family, { length }]) => {
    const said = rowOf(family).exec(text)?.[2];
    return said === String(length)
      ? []
      : [
          `docs/security.md has ${said ?? "no number"} for ${family}, but there are ${length}. To fix it: npm run attack -- --update`,
        ];
  });
}

function updateDocument(counts: Counts): readonly string[] {
  let text = readFileSync(DOCUMENT, "utf8");
  for (const [family, { length }] of counts)
    text = text.replace(rowOf(family), (_row, before: string, said: string, after: string) => {
      return `${before}${String(length).padStart(said.length)}${after}`;
    });
  writeFileSync(DOCUMENT, text);
  return problemsOf(counts);
}
