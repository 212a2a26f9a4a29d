import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codeBlocks, compile, DOCUMENTS } from "../../support/docs/code-blocks.ts";
import { ROOT, tablesOf } from "../../support/docs/document-tables.ts";

const BLOCKS = (await Promise.all(DOCUMENTS.map(codeBlocks))).flat();
const inLanguage = (...names: readonly string[]) => BLOCKS.filter(({ language }) => names.includes(language));

/** Declarations that the code of a document uses, by document. */
const AROUND: Readonly<Record<string, string>> = {
  "docs/client.md": `
    import { JobServiceClient } from "jobyard/client";
    declare global {
      const client: JobServiceClient; const url: string; const jobId: string; const batchId: string; const tenantName: string;
      const clientId: string; const clientSecret: string; const signal: AbortSignal;
    }`,
  "docs/events.md": `
    import type { BatchCompletedMessage } from "jobyard/client";
    declare global {
      const request: Request; const bodyAsItCame: Uint8Array;
      function isKnown(id: string): Promise<boolean>;
      function bill(batchId: string, counts: object): Promise<void>;
    }`,
};

describe("code in documents", () => {
  it("exists in every language", () => {
    expect(inLanguage("ts").length).toBeGreaterThan(10);
    expect(inLanguage("json").length).toBeGreaterThan(8);
    expect(inLanguage("sh").length).toBeGreaterThan(20);
  });

  it("TypeScript in documents compiles as strictly as the project", () => {
    const files = inLanguage("ts").map(({ place, code }): [string, string] => {
      const [document = "", line = ""] = place.split(":");
      const folder = document.replaceAll(/[^A-Za-z]+/g, "-");
      const named = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1];
      return [join(folder, named ?? `line-${line}.ts`), `${code}\nexport {};`];
    });
    const around = Object.entries(AROUND).map(([document, code]): [string, string] => [
      join(document.replaceAll(/[^A-Za-z]+/g, "-"), "around.d.ts"),
      code,
    ]);
    expect(compile(new Map([...files, ...around]))).toEqual([]);
  }, 60_000);

  it.each(inLanguage("json").map(({ place, code }) => [place, code]))("is valid JSON at %s", (_place, code) => {
    const isLines =
      code.trim().split("\n").length > 1 && code.split("\n").every((line) => line === "" || line.startsWith('{"'));
    for (const text of isLines ? code.trim().split("\n") : [code]) JSON.parse(text);
  });

  it.each(inLanguage("sh").map(({ place, code }) => [place, code]))(
    "is a script of the shell at %s",
    (_place, code) => {
      const { status, stderr } = spawnSync("sh", ["-n"], { input: code, encoding: "utf8" });
      expect([status, stderr]).toEqual([0, ""]);
    },
  );
});

describe("tables in documents", () => {
  it.each(DOCUMENTS)("of %s have the same number of cells in each row", async (document) => {
    for (const [head = [], ...rows] of tablesOf(await readFile(join(ROOT, document), "utf8"))) {
      expect(rows.filter((row) => row.length !== head.length)).toEqual([]);
    }
  });
});
