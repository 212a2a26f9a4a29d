/** How a job in a real process asks its worker for tokens, and what a hostile one can do with that. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AskToken } from "../../../../runtime/worker/identity/token-broker.ts";
import { type Lab, createLab, jobSource, sharedPackage } from "./lab.ts";

let lab: Lab;
let asked: (readonly string[])[];
beforeEach(async () => {
  lab = await createLab();
  asked = [];
});
afterEach(() => lab.close());

const askToken: AskToken = (scopes) => {
  asked.push(scopes);
  const [scope = ""] = scopes;
  return Promise.resolve(
    scope.includes("vault")
      ? { issued: { token: `token-for-${scope}`, expiresOnTimestamp: 1_000 } }
      : { refused: "Not this one." },
  );
};
const outputIn = (result: object): unknown => JSON.parse((result as { output: string }).output);
const GET = 'await context.credential.getToken("https://vault.azure.net/.default")';

describe("the credential of a job", () => {
  it("has the answers of the worker, each for its own request", async () => {
    const body = `
      const ask = (scope) => context.credential.getToken(scope).catch((error) => error.message);
      return { output: await Promise.all([ask("https://vault/1"), ask(["https://other"]), ask("https://vault/2")]) };`;
    expect(outputIn(await (await lab.start(body, { askToken })).result)).toEqual([
      { token: "token-for-https://vault/1", expiresOnTimestamp: 1_000 },
      "No token: Not this one.",
      { token: "token-for-https://vault/2", expiresOnTimestamp: 1_000 },
    ]);
    expect(asked).toEqual([["https://vault/1"], ["https://other"], ["https://vault/2"]]);
  });

  it("keeps the process alive while it waits for nothing else", async () => {
    const slow: AskToken = (scopes) => new Promise((resolve) => setTimeout(() => resolve(askToken(scopes)), 100));
    const result = await (await lab.start(`${GET}; return { output: "got it" };`, { askToken: slow })).result;
    expect(outputIn(result)).toBe("got it");
  });

  it("gives none where the worker has none", async () => {
    const result = await (await lab.start(GET)).result;
    expect(result).toMatchObject({ kind: "failed", message: "No token: This worker gives no tokens." });
  });

  it("is each job's own in a shared process, and ends with it", async () => {
    const shared = sharedPackage(
      {
        leave: `left = context.credential; return { output: (${GET}).token };`,
        steal: 'return { output: await left.getToken("https://vault.azure.net/.default").catch((e) => e.message) };',
      },
      "let left;",
    );
    expect(outputIn(await (await lab.share(shared, "leave", { askToken })).result)).toContain("token-for-");
    expect(outputIn(await (await lab.share(shared, "steal", { askToken })).result)).toContain("has ended");
    expect(asked).toHaveLength(1);
  });
});

describe("a hostile job", { tags: "attack/jobs" }, () => {
  it("finds its tokens redacted in its log", async () => {
    const attempt = await lab.start(`console.log("mine:", (${GET}).token);`, { askToken });
    await attempt.result;
    expect(attempt.log()).toContain("mine: [redacted]");
  });

  it("is ended when it asks without an end and reads no answers", async () => {
    const body = `
      const line = JSON.stringify({ type: "token", request: 1, scopes: ["https://other"] }) + "\\n";
      for (;;) fs.writeSync(3, line.repeat(500));`;
    const attempt = await lab.start({ "index.mjs": jobSource(body) }, { askToken });
    expect(await attempt.result).toMatchObject({
      kind: "failed",
      code: "JobCrashed",
      message: "The job's process sent requests without reading answers.",
    });
  });

  it.each([
    ["scopes that are no texts", '{ type: "token", request: 1, scopes: [1] }'],
    ["too many scopes", '{ type: "token", request: 1, scopes: Array(11).fill("a") }'],
    ["a scope that is too long", '{ type: "token", request: 1, scopes: ["a".repeat(1000)] }'],
    ["no number", '{ type: "token", scopes: [] }'],
  ])("is ended when it sends %s", async (_, message) => {
    const body = `fs.writeSync(3, JSON.stringify(${message}) + "\\n"); await delay(20_000);`;
    expect(await (await lab.start(body, { askToken })).result).toMatchObject({ kind: "failed", code: "JobCrashed" });
    expect(asked).toEqual([]);
  });
});
