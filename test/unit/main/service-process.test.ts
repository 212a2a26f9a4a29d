import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { endInTurn, GIVEN_UP } from "../../../runtime/main/service-process.ts";
import { silentLog } from "../../support/silent.ts";

const SERVICE = fileURLToPath(new URL("faulty-service.ts", import.meta.url));

function run(
  how: string,
  words = "none",
): { readonly code: number | null; readonly out: string; readonly err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SERVICE, how, words], { encoding: "utf8" });
  return { code: status, out: stdout, err: stderr };
}

describe("a service with an uncaught error", () => {
  it.each(["exception", "rejection"])("a service with an uncaught %s hands back its jobs and exits", (how) => {
    const { code, out, err } = run(how);
    expect(code).toBe(GIVEN_UP);
    expect(out).toBe("fault: Error: first\nhanded back\n");
    expect(err).toContain("Error: second");
  });

  it("a service with an uncaught error exits even if it cannot hand back its jobs", () => {
    const { code, err } = run("hopeless");
    expect(code).toBe(GIVEN_UP);
    expect(err).toContain("Error: third");
  });

  it("a service with an uncaught error and without jobs exits at once", () => {
    const { code, err } = run("unprepared");
    expect(code).toBe(1);
    expect(err).toContain("Error: first");
  });
});

describe("the last words of a service", () => {
  it.each([
    ["signal", 0, "last words: undefined\n"],
    ["exception", GIVEN_UP, "fault: Error: first\nhanded back\nlast words: Error: first\n"],
    ["given-up", GIVEN_UP, "last words: undefined\n"],
    ["no-start", 1, "last words: Error: no start\n"],
  ])("are waited for when it ends by %s", (how, code, out) => {
    expect(run(how, "said")).toMatchObject({ code, out });
  });

  it("hold up its end for a few seconds at most", () => {
    expect(run("signal", "never").code).toBe(0);
  });
});

describe("the parts of a program", () => {
  it("end in turn, and one that does not end is named and left behind", async () => {
    const said: object[] = [];
    const ended: string[] = [];
    const end = (part: string) => () => void ended.push(part);
    const never = (): Promise<never> => new Promise(() => undefined);
    await endInTurn(
      { error: (fields) => void said.push(fields) },
      { first: end("first"), stuck: never, last: end("last") },
      1,
    );
    expect(ended).toEqual(["first", "last"]);
    expect(said).toEqual([{ part: "stuck" }]);
  });

  it("that fail end the program as an error", async () => {
    const fails = (): Promise<never> => Promise.reject(new Error("no end"));
    await expect(endInTurn(silentLog, { fails })).rejects.toThrow("no end");
  });
});
