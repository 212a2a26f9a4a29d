import { describe, expect, it } from "vitest";
import { SOURCE_MAP_MARK } from "../../../../../runtime/core/package/source-map-mark.ts";
import { withDebuggerStatement, withSourceFolder } from "../../../../../runtime/worker/process/host/inspect.ts";
import { freePorts } from "../../../../../runtime/local/ports.ts";
import { attachDebugger } from "../../../../support/processes/attach-debugger.ts";
import { createLab, jobSource } from "../lab.ts";

const BUNDLE = [
  'import { createRequire } from "node:module";',
  "var helper = 1;",
  "// src/greet.ts",
  "import {",
  "  join",
  '} from "node:path";',
  "",
  "// jobyard:job",
  "function defineJob() {}",
  "// node_modules/zod/index.js",
  "var zod = 1;",
  "// src/greet.ts",
  "var STEPS = 5;",
  "// src/other.ts",
  "var other = 1;",
];

/** The line that stops, from 0. */
const stopOf = (code: string): number => code.split("\n").findIndex((line) => line.includes("debugger;"));

describe("the place where a debugger stops", () => {
  it("is the first line of the author's code, behind imports, Jobyard's code and libraries", () => {
    const code = withDebuggerStatement(BUNDLE.join("\n"));
    expect(stopOf(code)).toBe(12);
    expect(code.split("\n").filter((line) => line.includes("debugger;"))).toHaveLength(1);
    expect(code.split("\n")).toHaveLength(BUNDLE.length);
  });

  it("is the first line of a file that was not bundled, whatever its comments say", () => {
    expect(stopOf(withDebuggerStatement('// A job\nimport "x";\n// more\nconst a = 1;'))).toBe(3);
  });

  it("is nowhere in a file of libraries alone", () => {
    const code = "// node_modules/zod/index.js\nvar zod = 1;\n// ../../runtime/job-sdk/index.ts\nvar b = 1;";
    expect(withDebuggerStatement(code)).toBe(code);
  });
});

describe("the source map for a debugger", () => {
  const mapped = (sources: readonly string[]): string =>
    `code\n${SOURCE_MAP_MARK}${Buffer.from(JSON.stringify({ version: 3, sources, mappings: "AAAA" })).toString("base64")}\n`;
  const sourcesOf = (code: string): unknown =>
    (JSON.parse(Buffer.from(code.slice(code.indexOf("base64,") + 7), "base64").toString()) as { sources: unknown })
      .sources;

  it("names the author's files on this machine, and leaves others alone", () => {
    const code = mapped(["greet.ts", "../lib/a b.ts", "../node_modules/zod/index.js", "../jobyard:job"]);
    expect(sourcesOf(withSourceFolder(code, "src/greet.mjs", "/work/my greet"))).toEqual([
      "file:///work/my%20greet/src/greet.ts",
      "file:///work/my%20greet/lib/a%20b.ts",
      "../node_modules/zod/index.js",
      "../jobyard:job",
    ]);
  });

  it("stays as it is without a folder or a map", () => {
    expect(withSourceFolder(mapped(["a.ts"]), "a.mjs", undefined)).toBe(mapped(["a.ts"]));
    expect(withSourceFolder("code", "a.mjs", "/work")).toBe("code");
  });
});

describe("a job under a debugger", () => {
  it("stops at its first line, and outlasts its limits of time there", async () => {
    const [port = 0] = await freePorts(1);
    const lab = await createLab({ inspect: { port, sources: {} } });
    const attempt = await lab.start(
      { "index.mjs": jobSource("return { output: marked };", "const marked = 1;") },
      {
        timeoutMs: 1,
        idleTimeoutMs: 1,
      },
    );
    await attempt.logged("Debugger listening on ws://127.0.0.1:");
    const { line, resume } = await attachDebugger(port);
    expect(line).toContain("const marked = 1;");
    resume();
    expect(await attempt.result).toEqual({ kind: "succeeded", output: "1" });
    await lab.close();
  });

  it("can be canceled while it waits", async () => {
    const [port = 0] = await freePorts(1);
    const lab = await createLab({ inspect: { port, sources: {} } });
    const attempt = await lab.start("return {};", { graceMs: 50 });
    await attempt.logged("Debugger listening on ws://127.0.0.1:");
    attempt.process.cancel("cancel");
    expect(await attempt.result).toEqual({ kind: "canceled", reason: "cancel", forced: true });
    await lab.close();
  });

  it("fails with a sentence if the port is in use", async () => {
    const { createServer } = await import("node:net");
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as { readonly port: number };
    const lab = await createLab({ inspect: { port, sources: {} } });
    const attempt = await lab.start("return {};");
    expect(await attempt.result).toMatchObject({
      kind: "failed",
      retryable: false,
      message: expect.stringContaining(`Port ${port} is in use`) as unknown,
    });
    await lab.close();
    taken.close();
  });
});
