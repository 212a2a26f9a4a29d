/**
 * Files that a package's own code names relative to itself: `new URL("./resize.ts", import.meta.url)`, usually to start
 * a worker thread. Such code is packed as another entry. Bundled code can have another path than its source, so the
 * bundle contains a mark, which is replaced by the relative path when all paths are known.
 */
import { statSync } from "node:fs";
import { join, posix } from "node:path";
import ts from "typescript";
import type { PackProblem, SourcePosition } from "./problem.ts";
import { type SourceText, isSourceFile, outputOf, positionOf } from "./source-modules.ts";

export interface BesideFile {
  /** Relative to the package, with forward slashes. */
  readonly file: string;
  readonly isCode: boolean;
  readonly position: SourcePosition;
}

export interface BesideFiles {
  readonly files: readonly BesideFile[];
  /** The source with marks in place of the names. */
  readonly text: string;
  /** Worker threads whose file cannot be determined. */
  readonly problems: readonly PackProblem[];
}

const MARK = "jobyard-beside:";
const NAMED_BY_PLACE = /\bimport\.meta\.url\b|\bnew\s+(?:\w+\.)?Worker\b/;
const OWN_PLACE = /\b__dirname\b|\bimport\.meta\.(?:url|dirname)\b/;

/** Undefined if the source names no file. */
export function besideFiles(directory: string, { file, text }: SourceText): BesideFiles | undefined {
  if (!NAMED_BY_PLACE.test(text)) return undefined;
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const files: (BesideFile & { readonly name: ts.StringLiteralLike })[] = [];
  const problems: PackProblem[] = [];

  function visit(node: ts.Node): void {
    if (ts.isNewExpression(node)) {
      const name = nameByPlace(node);
      const found = name && fileOf(directory, posix.join(posix.dirname(file), name.text));
      if (name !== undefined && found !== undefined) {
        files.push({ file: found, isCode: isSourceFile(found), position: positionOf({ source, file }, node), name });
      }
      const problem = workerProblem(node, directory, file);
      if (problem !== undefined) problems.push({ message: problem, position: positionOf({ source, file }, node) });
    }
    ts.forEachChild(node, visit);
  }
  visit(source);

  let marked = text;
  for (const { name, file: target, isCode } of files.toReversed()) {
    const mark = JSON.stringify(MARK + encode(isCode ? outputOf(target) : target));
    marked = marked.slice(0, name.getStart(source)) + mark + marked.slice(name.end);
  }
  return { files, text: marked, problems };
}

/** Without quotes, which would end the string literal around it. */
const encode = (path: string): string => encodeURIComponent(path).replaceAll("'", "%27");

/** `path`: the path of the bundled code in the package. */
export const withoutMarks = (path: string, code: string): string =>
  code.replaceAll(new RegExp(`(["'\`])${MARK}([^"'\`]+)\\1`, "g"), (_, _quote, encoded: string) => {
    const way = posix.relative(posix.dirname(path), decodeURIComponent(encoded));
    return JSON.stringify(way.startsWith(".") ? way : `./${way}`);
  });

/** The literal of `new URL("./name", import.meta.url)`. */
function nameByPlace({ expression, arguments: given }: ts.NewExpression): ts.StringLiteralLike | undefined {
  const [name, base] = given ?? [];
  const isUrl = ts.isIdentifier(expression) && expression.text === "URL" && base?.getText() === "import.meta.url";
  return isUrl && name !== undefined && ts.isStringLiteralLike(name) && name.text.startsWith(".") ? name : undefined;
}

/** Finds the named file. TypeScript can be imported with its own ending or with JavaScript's. */
function fileOf(directory: string, path: string): string | undefined {
  const typed = path.replace(/\.([cm]?)js$/, ".$1ts");
  return [path, typed].find((file) => statSync(join(directory, file), { throwIfNoEntry: false })?.isFile());
}

/** The reason why a worker thread would not find its file. */
function workerProblem(node: ts.NewExpression, directory: string, file: string): string | undefined {
  const { expression, arguments: given } = node;
  const called = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
  const [what, options] = given ?? [];
  if (!ts.isIdentifier(called) || called.text !== "Worker" || what === undefined) return undefined;
  if (/\beval\s*:\s*true\b/.test(options?.getText() ?? "")) return undefined;
  if (ts.isStringLiteralLike(what)) return /^(?:data|file):/.test(what.text) ? undefined : HOW;
  const urls = urlsIn(what);
  const names = urls.flatMap((url) => nameByPlace(url) ?? []);
  const absent = names.find(({ text }) => fileOf(directory, posix.join(posix.dirname(file), text)) === undefined);
  if (absent !== undefined) return `The file ${absent.text} of a worker thread does not exist.`;
  if (names.length > 0) return undefined;
  // `new URL(import.meta.url)` names the current file, which is packed.
  const isItself = urls.some(({ arguments: of }) => of?.length === 1 && of[0]?.getText() === "import.meta.url");
  return !isItself && OWN_PLACE.test(what.getText()) ? HOW : undefined;
}

const HOW =
  `Packing cannot determine the file of this worker thread. Write it like this: ` +
  `new Worker(new URL("./file.ts", import.meta.url)).`;

function urlsIn(node: ts.Node): ts.NewExpression[] {
  const own = ts.isNewExpression(node) ? [node] : [];
  const inside: ts.NewExpression[] = [];
  ts.forEachChild(node, (child) => void inside.push(...urlsIn(child)));
  return [...own, ...inside];
}
