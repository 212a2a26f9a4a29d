import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProcessResult } from "../../../../../runtime/worker/process/spec.ts";
import type { ReuseLimits } from "../../../../../runtime/worker/process/shared/shared-child.ts";
import { FOREVER, type Lab, createLab, isAlive, markedProcesses, sharedPackage } from "../lab.ts";
import { eventuallyTrue } from "../../../../support/eventually.ts";

let lab: Lab;
beforeEach(async () => {
  lab = await createLab();
});
afterEach(() => lab.close());

const reopen = async (reuse: Partial<ReuseLimits>): Promise<void> => {
  await lab.close();
  lab = await createLab({ reuse });
};
/** As long as a busy machine keeps a process from running. */
const PATIENT = { killPatienceMs: 30_000 };

const WAIT = `log("in"); await delay(60_000, undefined, { signal });`;
const SPIN = `log("spinning"); for (;;);`;
const IGNORE = `log("in"); ${FOREVER}`;
const QUICK = `return { output: process.pid };`;

const INTERRUPTED = {
  kind: "interrupted",
  code: "SharedProcessEnded",
  message: expect.stringContaining("that the job shared") as unknown,
};

/** Jobs of one process that have all begun. */
async function together(
  bodies: Record<string, string>,
  names: readonly string[],
  before = "",
): Promise<Awaited<ReturnType<Lab["share"]>>[]> {
  const shared = sharedPackage(bodies, before);
  const attempts: Awaited<ReturnType<Lab["share"]>>[] = [];
  // Short for those that take all of it.
  const graceOf = (name: string) => (["ignore", "deaf"].includes(name) ? { graceMs: 300 } : {});
  for (const name of names) attempts.push(await lab.share(shared, name, graceOf(name)));
  await Promise.all(attempts.map((attempt) => attempt.logged("in")));
  expect(new Set(attempts.map(({ process }) => process.pid)).size).toBe(1);
  return attempts;
}

describe("the end of one job of a shared process", () => {
  it("a job that returns or throws leaves the others in its process alone", async () => {
    const shared = sharedPackage({ wait: WAIT, quick: QUICK, fail: `throw new NonRetryableError("no ledger");` });
    const waiting = await lab.share(shared, "wait");
    await waiting.logged("in");
    expect(await (await lab.share(shared, "quick")).result).toEqual({
      kind: "succeeded",
      output: String(waiting.process.pid),
    });
    const failed = await lab.share(shared, "fail");
    expect(await failed.result).toMatchObject({
      kind: "failed",
      code: "JobFailed",
      message: "no ledger",
      retryable: false,
    });
    expect(failed.log()).toContain("NonRetryableError: no ledger");
    expect(isAlive(waiting.process.pid!)).toBe(true);
    waiting.process.cancel("cancel");
    expect(await waiting.result).toEqual({ kind: "canceled", reason: "cancel", forced: false });
  });

  it("a cancel ends one job only, if it heeds its signal", async () => {
    const [first, second] = await together({ wait: WAIT }, ["wait", "wait"]);
    first!.process.cancel("cancel");
    expect(await first!.result).toEqual({ kind: "canceled", reason: "cancel", forced: false });
    expect(isAlive(second!.process.pid!)).toBe(true);
    second!.process.cancel("drain");
    expect(await second!.result).toEqual({ kind: "canceled", reason: "drain", forced: false });
  });

  it("a time limit ends one job only, and the failure names the limit", async () => {
    const shared = sharedPackage({ wait: WAIT });
    const other = await lab.share(shared, "wait");
    await other.logged("in");
    // A process that does not answer within the grace period would end with all its jobs.
    const late = await lab.share(shared, "wait", { timeoutMs: 300, graceMs: 30_000 });
    expect(await late.result).toMatchObject({
      code: "JobTimedOut",
      message: expect.stringContaining("0.3 s") as unknown,
    });
    expect(isAlive(other.process.pid!)).toBe(true);
    await other.process.kill();
  });

  it("force after the grace period ends the process and interrupts the others", async () => {
    const bodies = { wait: WAIT, ignore: IGNORE };
    const [deaf, bystander] = await together(bodies, ["ignore", "wait"]);
    deaf!.process.cancel("cancel");
    expect(await deaf!.result).toEqual({ kind: "canceled", reason: "cancel", forced: true });
    expect(await bystander!.result).toEqual(INTERRUPTED);
    expect(bystander!.log()).toContain("another job in it did not end when it had to");
    expect(markedProcesses(lab.root)).toEqual([]);
  });

  it("force at a time limit is the failure of the job that exceeded it", async () => {
    // The process has to answer within this time, or another job would be to blame.
    await reopen({ killPatienceMs: 2_000 });
    const shared = sharedPackage({ ignore: IGNORE, wait: WAIT });
    const bystander = await lab.share(shared, "wait");
    await bystander.logged("in");
    // Long enough for it to begin.
    const late = await lab.share(shared, "ignore", { timeoutMs: 2_000, graceMs: 50 });
    expect(await late.result).toMatchObject({ kind: "failed", code: "JobTimedOut" });
    expect(await bystander.result).toEqual(INTERRUPTED);
  });
});

describe("kill of one job of a shared process", () => {
  it("kill of one job spares the others if it ends at once", async () => {
    await reopen(PATIENT);
    const [first, second] = await together({ wait: WAIT }, ["wait", "wait"]);
    await first!.process.kill();
    expect(await first!.result).toEqual({ kind: "killed" });
    expect(isAlive(second!.process.pid!)).toBe(true);
    await second!.process.kill();
  });

  it.each([
    ["that ignores its signal", IGNORE],
    ["that keeps the processor", `log("in"); await delay(50); ${SPIN}`],
    [
      "whose end takes longer",
      `log("in"); try { await delay(60_000, undefined, { signal }); } catch { await delay(60_000); }`,
    ],
  ])("%s resolves only when nothing of it runs: the process is gone", async (_, body) => {
    const [deaf, bystander] = await together({ wait: WAIT, deaf: body }, ["wait", "deaf"]).then((all) => all.reverse());
    const { pid } = deaf!.process;
    await deaf!.process.kill();
    expect(isAlive(pid!)).toBe(false);
    expect(markedProcesses(lab.root)).toEqual([]);
    expect(await deaf!.result).toEqual({ kind: "killed" });
    expect(await bystander!.result).toEqual(INTERRUPTED);
  });

  it("kill of all jobs at once leaves no process", async () => {
    const attempts = await together({ ignore: IGNORE }, Array<string>(10).fill("ignore"));
    await Promise.all(attempts.map(({ process }) => process.kill()));
    expect(markedProcesses(lab.root)).toEqual([]);
    expect(await Promise.all(attempts.map(({ result }) => result))).toEqual(attempts.map(() => ({ kind: "killed" })));
  });

  it("kill before the start spares the jobs that wait for the same process", async () => {
    const shared = sharedPackage({ quick: QUICK });
    const [first, second] = await Promise.all([lab.share(shared, "quick"), lab.share(shared, "quick")]);
    await first.process.kill();
    expect(await first.result).toEqual({ kind: "killed" });
    expect(await second.result).toMatchObject({ kind: "succeeded" });
  });

  it("kill during setup ends one job, and setup goes on for the others", async () => {
    await reopen(PATIENT);
    const before = `let go; globalThis.go = new Promise((resolve) => (go = resolve));
      export const setup = async ({ log }) => { log("in"); process.once("SIGUSR2", go); await globalThis.go; return 7; };`;
    const shared = sharedPackage({ a: "return { output: services };" }, before);
    const first = await lab.share(shared, "a");
    await first.logged("in");
    const second = await lab.share(shared, "a");
    await eventuallyTrue(() => second.process.pid !== undefined);
    await first.process.kill();
    expect(isAlive(second.process.pid!)).toBe(true);
    process.kill(second.process.pid!, "SIGUSR2");
    expect(await second.result).toEqual({ kind: "succeeded", output: "7" });
  });
});

describe("what ends a shared process", () => {
  const lost = { kind: "failed", code: "JobFailed", message: "lost", retryable: true };
  const crashed = (how: string): object => ({
    kind: "failed",
    code: "JobCrashed",
    message: expect.stringContaining(how) as unknown,
    retryable: true,
  });

  it.each<[string, string, object]>([
    ["an exception nobody catches", `setTimeout(() => { throw new Error("lost"); }, 1);`, lost],
    ["an exception in a callback", `fs.stat("/", () => { throw new Error("lost"); });`, lost],
    ["a rejection nobody handles", `await delay(1); Promise.reject(new Error("lost"));`, lost],
    ["process.exit", `await delay(1); process.exit(7);`, crashed("exit code 7")],
  ])("by %s fails the job that did it, and interrupts the others", async (_, body, failure) => {
    const bodies = { wait: WAIT, culprit: `log("in"); await go; ${body} ${FOREVER}` };
    const before = "let open; const go = new Promise((resolve) => (open = resolve)); process.once('SIGUSR2', open);";
    for (const bystanders of [1, 2]) {
      const names = ["culprit", ...Array<string>(bystanders).fill("wait")];
      const [culprit, ...others] = await together(bodies, names, before);
      process.kill(culprit!.process.pid!, "SIGUSR2");
      expect(await culprit!.result).toMatchObject(failure);
      for (const other of others) {
        expect(await other.result).toEqual(INTERRUPTED);
        expect(other.log()).toContain("another job in it left it unusable");
      }
    }
  });

  it("the end of a shared process fails the job that was alone in it", async () => {
    const shared = sharedPackage({
      crash: `process.kill(process.pid, "SIGSEGV"); for (;;);`,
      abort: "process.abort();",
    });
    expect(await (await lab.share(shared, "crash")).result).toEqual(crashed("SIGSEGV"));
    expect(await (await lab.share(shared, "abort")).result).toEqual(crashed("SIGABRT"));
  });

  it("an unexplained end of a shared process interrupts all its jobs", async () => {
    const attempts = await together({ wait: WAIT }, ["wait", "wait"]);
    process.kill(attempts[0]!.process.pid!, "SIGKILL");
    const results: ProcessResult[] = await Promise.all(attempts.map(({ result }) => result));
    expect(results).toEqual([INTERRUPTED, INTERRUPTED]);
  });

  it("the end of a shared process ends what its jobs have started", async () => {
    const body = `spawn("sleep", ["600"], { stdio: "ignore", detached: true }).unref(); log("in"); ${FOREVER}`;
    const [attempt] = await together({ a: body }, ["a"]);
    expect(markedProcesses(lab.root)).toHaveLength(2);
    await attempt!.process.kill();
    expect(markedProcesses(lab.root)).toEqual([]);
  });

  it("a shared process that ended is followed by a new one", async () => {
    const shared = sharedPackage({ crash: "process.exit(1);", quick: QUICK });
    const crashedJob = await lab.share(shared, "crash");
    await crashedJob.result;
    const next = await (await lab.share(shared, "quick")).result;
    expect(next).toMatchObject({ kind: "succeeded" });
    expect(next).not.toMatchObject({ output: String(crashedJob.process.pid) });
  });

  it.each([
    ["about a job that is not in it", `{"type":"progress","id":99,"text":"x"}`],
    ["about no job", `{"type":"returned","stopping":false}`],
    ["that is none", "hello"],
  ])("may be a message %s", async (_, message) => {
    const shared = sharedPackage({ forge: `fs.writeSync(3, ${JSON.stringify(message)} + "\\n"); ${FOREVER}` });
    expect(await (await lab.share(shared, "forge")).result).toMatchObject({ kind: "failed", code: "JobCrashed" });
  });
});

describe("a job that keeps the processor of a shared process", () => {
  it.each([
    ["in silence", SPIN],
    ["and prints", `for (;;) console.log("spinning");`],
  ])("a job that blocks the process by %s interrupts all jobs in it", async (_, spin) => {
    // Longer than a busy machine keeps a process from running: one that was found blocked takes no further job.
    await reopen({ blockedMs: 1_000 });
    const shared = sharedPackage({ wait: WAIT, spin });
    const waiting = await lab.share(shared, "wait");
    await waiting.logged("in");
    const spinning = await lab.share(shared, "spin");
    expect(await waiting.result).toEqual(INTERRUPTED);
    expect(await spinning.result).toEqual(INTERRUPTED);
  });

  it("a job that blocks a process alone is left to its own limits", async () => {
    await reopen({ blockedMs: 120 });
    const shared = sharedPackage({ spin: SPIN, quick: QUICK });
    // The process is there before the limit counts.
    await (
      await lab.share(shared, "quick")
    ).result;
    const spinning = await lab.share(shared, "spin", { timeoutMs: 2_000, graceMs: 50 });
    await spinning.logged("spinning");
    expect(await spinning.result).toMatchObject({ kind: "failed", code: "JobTimedOut" });
  });

  it("a blocked job that exceeds its time limit is interrupted, not failed", async () => {
    const shared = sharedPackage({ wait: WAIT, spin: SPIN, quick: QUICK });
    await (
      await lab.share(shared, "quick")
    ).result;
    // Long enough for the other to begin within it.
    const waiting = await lab.share(shared, "wait", { timeoutMs: 3_000, graceMs: 50 });
    await waiting.logged("in");
    const spinning = await lab.share(shared, "spin");
    await spinning.logged("spinning");
    expect(await waiting.result).toEqual(INTERRUPTED);
    expect(await spinning.result).toEqual(INTERRUPTED);
  });
});
