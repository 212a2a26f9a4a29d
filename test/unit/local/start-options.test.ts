import { describe, expect, it } from "vitest";
import { readStartOptions } from "../../../runtime/local/start-options.ts";

const read = (args: readonly string[], env: Record<string, string> = {}) => readStartOptions(args, env, "/default");

describe("npm start", () => {
  it("runs the samples at the first start, on its own ports and in its own folder", () => {
    expect(read([])).toMatchObject({
      ...{ once: false, json: false, demo: undefined, packages: [], workers: 2 },
      ...{ port: 7070, identityPort: 7443, home: "/default" },
    });
  });

  it("accepts its options", () => {
    const args = ["--no-demo", "--packages", "/a", "--packages", "/b", "--port", "0", "--pool", "gpu=2"];
    const options = read(args, { JOBYARD_HOME: "/data" });
    expect(options).toMatchObject({ demo: false, packages: ["/a", "/b"], port: 0, identityPort: 0, home: "/data" });
    expect([...options.pool]).toEqual([["gpu", 2]]);
    expect(read(["--demo"]).demo).toBe(true);
  });

  it("accepts what jobyard dev starts it with, and names it in no help", () => {
    const inspect = { port: 9229, sources: { "a.zip": "/a" } };
    expect(read(["--dev", JSON.stringify({ inspect })]).dev).toEqual({ inspect });
    expect(read([]).dev).toBeUndefined();
  });

  it.each([
    [
      "the same port twice",
      ["--port", "8080", "--identity-port", "8080"],
      {},
      /--port and --identity-port are both 8080/,
    ],
    ["the issuer's default port for the API", ["--port", "7443"], {}, /both 7443/],
    ["a folder without a name", [], { JOBYARD_HOME: "" }, /^JOBYARD_HOME is empty/],
    ["a word that is not an option", ["4"], {}, /"4".*npm start -- --workers 4/],
    ["samples wanted and not wanted", ["--once", "--no-demo"], {}, /--once .* --no-demo/],
    [
      "an option that npm consumed",
      [],
      { npm_lifecycle_event: "start", npm_config_identity_port: "1" },
      /^npm consumed --identity-port .*npm start -- --identity-port$/,
    ],
  ])("reports in one sentence: %s", (_what, args, env, sentence) => {
    expect(() => read(args, env)).toThrow(sentence);
  });
});
