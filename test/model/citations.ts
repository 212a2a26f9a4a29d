/**
 * `npm run rules`: docs/protocol.md and the code must agree. Every rule, assumption and step that the code cites must be
 * defined there, and every one defined there must be cited by the runtime or by the model.
 */
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";

export interface TextFile {
  /** From the root. */
  readonly path: string;
  readonly text: string;
}

interface Mention {
  /** `R` or `A` and a number, or `step` and a number. */
  readonly name: string;
  /** As `docs/protocol.md:12`. */
  readonly place: string;
}

const DOCUMENT = "docs/protocol.md";
const FOLDERS = ["runtime", "test", "infra", "bench"];
/** A rule that only tests cite is not the code's rule. */
const CITING = /^(?:runtime|test\/model)\//;

/** A heading of a rule, or the first cell of a step. */
const DEFINITION = /^(?:### ([RA]\d+) |\| (\d+'?) +\|)/;
/** Not `"A4"` of a paper size, nor `%A4` of a URL. */
const RULE = /(?<![\w%-])[RA]\d{1,2}(?![\w%"'-])/g;
/** One, several ("steps a, b and c") or a range ("steps a to b"). Only comments cite steps. */
const STEPS = /\bsteps? (\d+'?(?:(?:, | and | to )\d+'?)*)/gi;
const COMMENT = /(?:^\s*\/?\*|\/\/).*/;

const linesOf = ({ path, text }: TextFile): (readonly [place: string, line: string])[] =>
  text.split("\n").map((line, index) => [`${path}:${index + 1}`, line] as const);

function definitionsIn(document: TextFile): readonly Mention[] {
  return linesOf(document).flatMap(([place, line]) => {
    const [, rule, step] = DEFINITION.exec(line) ?? [];
    if (rule !== undefined) return [{ name: rule, place }];
    return step === undefined ? [] : [{ name: `step ${step}`, place }];
  });
}

function citationsIn(source: TextFile): readonly Mention[] {
  return linesOf(source).flatMap(([place, line]) => {
    const rules = [...line.matchAll(RULE)].map(([name]) => name);
    const comment = COMMENT.exec(line)?.[0] ?? "";
    const steps = [...comment.matchAll(STEPS)]
      .flatMap(([, list = ""]) => numbersIn(list))
      .map((step) => `step ${step}`);
    return [...rules, ...steps].map((name) => ({ name, place }));
  });
}

/** `5 to 7` are three. */
const numbersIn = (list: string): readonly string[] =>
  [...list.matchAll(/(\d+'?)(?: to (\d+))?/g)].flatMap(([, first = "", last]) =>
    last === undefined
      ? [first]
      : Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => String(Number(first) + index)),
  );

/** What does not agree, each with its file and line. */
export function citationFaults(document: TextFile, sources: readonly TextFile[]): readonly string[] {
  const definitions = definitionsIn(document);
  const citations = sources.flatMap(citationsIn);
  const defined = new Set(definitions.map(({ name }) => name));
  const cited = new Set(citations.flatMap(({ name, place }) => (CITING.test(place) ? [name] : [])));
  return [
    ...citations
      .filter(({ name }) => !defined.has(name))
      .map(({ name, place }) => `${place}: ${name} is not defined in ${document.path}.`),
    ...definitions
      .filter(({ name }) => !cited.has(name))
      .map(({ name, place }) => `${place}: neither runtime nor test/model cites ${name}.`),
  ];
}

async function main(): Promise<boolean> {
  const root = join(import.meta.dirname, "../..");
  const read = async (path: string): Promise<TextFile> => ({ path, text: await readFile(join(root, path), "utf8") });
  const sources: TextFile[] = [];
  for (const folder of FOLDERS) {
    const paths = glob("**/*.{ts,mjs}", { cwd: join(root, folder), exclude: ["**/node_modules/**"] });
    for await (const path of paths) sources.push(await read(join(folder, path)));
  }
  const faults = citationFaults(await read(DOCUMENT), sources);
  for (const fault of faults) console.error(fault);
  if (faults.length === 0) console.log(`${DOCUMENT} and ${sources.length} source files agree.`);
  return faults.length === 0;
}

if (import.meta.main && !(await main())) process.exitCode = 1;
