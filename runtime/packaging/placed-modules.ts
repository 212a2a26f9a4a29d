/**
 * Modules that look for files beside their own code. In a bundle they have another place, and nothing lies beside it. Most
 * of them do so for a feature that few use, so the author is told and decides.
 */
import type { PackProblem } from "./problem.ts";

/** The line esbuild writes before each module. */
const MODULE_LINE = /^\/\/ (?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\/(.+)$/;
const OTHER_MODULE_LINE = /^\/\/ \S+\.[cm]?[jt]sx?$/;
/** `__dirname` and `__filename` as node-bundle.ts renames them. Comments are not in a bundle any more. */
const OWN_PLACE = /\b__jobyard(?:Dirname|Filename)\b|\bimport\.meta\.(?:url|dirname|filename)\b/;

/** One for each module but those that are known. `code`: bundled files. */
export function placedModuleWarnings(code: readonly string[], known: readonly string[]): readonly PackProblem[] {
  const found = new Map<string, string>();
  for (const text of code) {
    let current: readonly [name: string, file: string] | undefined;
    for (const line of text.split("\n")) {
      const [, name, file] = MODULE_LINE.exec(line) ?? [];
      if (name !== undefined && file !== undefined) current = [name, file];
      else if (OTHER_MODULE_LINE.test(line)) current = undefined;
      else if (current !== undefined && OWN_PLACE.test(line) && !found.has(current[0])) found.set(...current);
    }
  }
  return [...found]
    .filter(([name]) => !known.includes(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, file]) => ({
      message:
        `${name} looks for files beside its own code (${file}), and has none there once it is bundled. If a job misses ` +
        `one, add ${JSON.stringify(name)} to jobyard.external in package.json, else to jobyard.bundled.`,
    }));
}
