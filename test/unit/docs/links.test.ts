import { existsSync, globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { codesIn, readDocument, ROOT, rowsOf, sectionOf } from "../../support/docs/document-tables.ts";

/** Every document of this repository, from the root. */
const EVERY_DOCUMENT = globSync("**/*.md", { cwd: ROOT, exclude: ["**/node_modules", "**/dist", ".*"] }).toSorted();

/** Targets of links to files of this repository. */
const linksIn = (text: string): readonly string[] =>
  [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target).filter((target) => !isElsewhere(target));
const isElsewhere = (target: string): boolean => /^(?:[a-z]+:|#)/.test(target);

/** Links whose text is the name or path of a file, as `[core/job/ids.ts](…)`. */
const namedFiles = (text: string): readonly { readonly file: string; readonly target: string }[] =>
  [...text.matchAll(/\[`?((?:[\w-]+\/)*[\w.-]+\.[a-z]+)`?\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(([, file = "", target = ""]) => ({ file, target }))
    .filter(({ target }) => !isElsewhere(target));

/** Makes a heading's anchor as GitHub does. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

describe("links in documents", () => {
  it.each(EVERY_DOCUMENT)("of %s point to existing files and headings", async (document) => {
    const text = await readFile(join(ROOT, document), "utf8");
    const broken = linksIn(text).map(async (link) => {
      const [target = "", anchor] = link.split("#");
      const file = join(ROOT, dirname(document), target);
      if (!existsSync(file)) return [link];
      if (anchor === undefined || !file.endsWith(".md")) return [];
      const headings = (await readFile(file, "utf8")).matchAll(/^#+ (.*)$/gm);
      return [...headings].some(([, heading = ""]) => anchorOf(heading) === anchor) ? [] : [link];
    });
    expect((await Promise.all(broken)).flat()).toEqual([]);
  });

  it("of which the text names a file are found", () => {
    const text =
      "[a.ts](../core/a.ts), [`b/c.mjs`](b/c.mjs#L3), [the guide](guide.md), [example.com](https://example.com)";
    expect(namedFiles(text)).toEqual([
      { file: "a.ts", target: "../core/a.ts" },
      { file: "b/c.mjs", target: "b/c.mjs" },
    ]);
  });

  it.each(EVERY_DOCUMENT)("of %s lead to the file that their text names", async (document) => {
    const links = namedFiles(await readFile(join(ROOT, document), "utf8"));
    const wrong = links.filter(({ file, target }) => !join("/", dirname(document), target).endsWith(`/${file}`));
    expect(wrong).toEqual([]);
  });
});

describe("docs/security.md", () => {
  it("docs/security.md names a test for every threat, or says that the threat is not prevented", async () => {
    const rows = rowsOf(sectionOf(await readDocument("security.md"), "## Threats"));
    expect(rows.length).toBeGreaterThan(10);
    for (const [, attack = "", defense = "", tested = ""] of rows) {
      const tests = linksIn(tested).filter((link) => link.endsWith(".test.ts"));
      expect([attack, defense !== "", tests.length > 0 || defense.includes("**not prevented**")]).toEqual([
        attack,
        true,
        true,
      ]);
    }
  });

  it("docs/security.md names only tests that exist", async () => {
    const rows = rowsOf(sectionOf(await readDocument("security.md"), "## Claims and their tests"));
    const files = rows.flatMap(([, tests = ""]) => codesIn(tests));
    expect(files.length).toBeGreaterThan(5);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });
});
