import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { memoryOf, startIdleLimit } from "../../../../runtime/worker/process/watches.ts";
import { createHeapErrorReader } from "../../../../runtime/worker/process/run.ts";
import type { ProcessEntry } from "../../../../runtime/worker/process/os/proc-table.ts";
import { eventuallyTrue } from "../../../support/eventually.ts";
import { type Attempt, type Lab, createLab, markedProcesses, sharedPackage } from "./lab.ts";

let lab: Lab;
beforeEach(async () => {
  lab = await createLab();
});
afterEach(() => lab.close());

const outOfMemory = (limitMb: number): object => ({
  kind: "failed",
  code: "JobOutOfMemory",
  message: expect.stringMatching(
    new RegExp(`^The job used \\d+ MiB of memory; its limit is ${limitMb} MiB.$`),
  ) as unknown,
  retryable: true,
});
const idleFor = (seconds: number): object => ({
  kind: "failed",
  code: "JobTimedOut",
  message: `The job showed no progress, log or output for longer than its idle limit of ${seconds} s.`,
  retryable: true,
});
const shell = (script: string) => ({ kind: "command", command: "sh", args: ["-c", script] }) as const;

describe.skipIf(process.platform !== "linux")("a memory limit", () => {
  it("a memory limit ends a job that uses more and says how much", { tags: "attack/jobs" }, async () => {
    const body = `const kept = []; for (;;) { kept.push(Buffer.alloc(10 << 20, 1)); await delay(1); }`;
    const attempt = await lab.start(body, { memoryMb: 150 });
    expect(await attempt.result).toEqual(outOfMemory(150));
    expect(attempt.log()).toContain("sys JobOutOfMemory");
  });

  it("a memory limit counts all processes of a job", { tags: "attack/jobs" }, async () => {
    const hog = `globalThis.kept = Buffer.alloc(150 << 20, 1); setInterval(() => {}, 1e6)`;
    const body = `spawn(process.execPath, ["-e", ${JSON.stringify(hog)}], { detached: true, stdio: "ignore" }).unref();
      setInterval(() => {}, 1e6); await new Promise(() => {});`;
    expect(await (await lab.start(body, { memoryMb: 200 })).result).toEqual(outOfMemory(200));
    expect(markedProcesses(lab.root)).toEqual([]);
  });

  it("a memory limit holds for commands, and the worker's is the default", async () => {
    const small = await createLab({ memoryMb: 80 });
    const hog = `node -e 'globalThis.kept = Buffer.alloc(100 << 20, 1); setInterval(() => {}, 1e6)' & wait`;
    expect(await (await small.start({ x: "" }, { entry: shell(hog) })).result).toEqual(outOfMemory(80));
    await small.close();
  });

  it("a memory limit leaves a job below it alone", async () => {
    const attempt = await lab.start(
      `const kept = Buffer.alloc(50 << 20, 1); await delay(700); return { output: kept.length };`,
      {
        memoryMb: 300,
      },
    );
    expect(await attempt.result).toMatchObject({ kind: "succeeded" });
  });

  it("the memory limit of a shared process fails a job that is alone and interrupts several", async () => {
    const grow = `log("in"); globalThis.kept = Buffer.alloc(200 << 20, 1); await new Promise(() => {});`;
    const shared = sharedPackage({ grow, wait: `log("in"); await new Promise(() => {});` });
    expect(await (await lab.share(shared, "grow", { memoryMb: 64 })).result).toEqual(outOfMemory(128));
    const waiting = await lab.share(shared, "wait", { memoryMb: 64 });
    await waiting.logged("in");
    const growing = await lab.share(shared, "grow", { memoryMb: 64 });
    const interrupted = {
      kind: "interrupted",
      code: "SharedProcessEnded",
      message: expect.stringContaining("more than 128 MiB") as unknown,
    };
    expect(await Promise.all([waiting.result, growing.result])).toEqual([interrupted, interrupted]);
  });
});

describe("memory of process trees", () => {
  const entry = (pid: number, residentBytes: number, fields: Partial<ProcessEntry> = {}): ProcessEntry => ({
    ...{ pid, parent: 1, group: pid, session: pid, startedAt: 100, dead: false, residentBytes },
    ...fields,
  });
  const tree = (leader: number) => ({ leader, startedAt: 100, mark: `m${leader}` });

  it("the memory of a tree counts group, session, mark and descendants once each", () => {
    const processes = [
      entry(1, 1_000_000, { startedAt: 1 }),
      entry(13, 8, { parent: 12 }),
      entry(10, 1),
      entry(11, 2, { group: 10, session: 10, parent: 10 }),
      entry(12, 4, { parent: 11 }),
      entry(14, 16),
      entry(20, 32, { parent: 99 }),
      entry(21, 64, { session: 20 }),
      entry(30, 128, { parent: 31 }),
      entry(31, 256, { parent: 30 }),
      entry(9, 512, { group: 10, startedAt: 5 }),
    ];
    const trees = [tree(10), tree(20), tree(40)];
    const marks: Record<number, string> = { 14: "m10", 31: "other" };
    const memory = memoryOf(trees, { processes, startVariable: (pid) => marks[pid] });
    expect(trees.map((one) => memory.get(one))).toEqual([31, 96, 0]);
  });
});

describe("the last words of a process", () => {
  const line = Buffer.from("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory");

  it("a heap error on stderr counts only with the exit of its process", () => {
    const heap = createHeapErrorReader();
    expect(heap.exhausted({ code: null, signal: "SIGABRT" })).toBeUndefined();
    heap.read(line);
    expect(heap.exhausted({ code: 0, signal: null })).toBeUndefined();
    expect(heap.exhausted({ code: null, signal: "SIGABRT" })).toMatchObject({ code: "JobOutOfMemory" });
    expect(heap.exhausted({ code: 134, signal: null })).toMatchObject({ code: "JobOutOfMemory" });
  });

  const fill = `const kept = []; for (;;) kept.push({ n: [Math.random()] });`;

  it("a full heap is found in a command", async () => {
    const entry = shell(`node --max-old-space-size=20 -e '${fill}'`);
    expect(await (await lab.start({ x: "" }, { entry })).result).toMatchObject({ code: "JobOutOfMemory" });
  });

  it("a full heap is found in a shared process", async () => {
    const small = await createLab({ nodeArgs: ["--max-old-space-size=20"] });
    expect(await (await small.share(sharedPackage({ fill }), "fill")).result).toMatchObject({ code: "JobOutOfMemory" });
    await small.close();
  });
});

describe("an idle limit", () => {
  it("an idle limit ends a job without a sign of life and is named in the failure", async () => {
    const attempt = await lab.start(`await delay(60_000, undefined, { signal });`, { idleTimeoutMs: 400 });
    expect(await attempt.result).toEqual(idleFor(0.4));
  });

  it("an idle limit ends a command", async () => {
    const attempt = await lab.start(
      { x: "" },
      { entry: shell("echo started; sleep 60"), idleTimeoutMs: 300, graceMs: 50 },
    );
    expect(await attempt.result).toEqual(idleFor(0.3));
  });

  it("an idle limit starts anew with progress, log and output", async () => {
    // All at once, and longer than a busy machine keeps a process from running.
    const idleTimeoutMs = 3_000;
    const starts = [`progress(n / 20);`, `log(n);`, `process.stdout.write(".");`].flatMap((sign) => {
      const body = `for (let n = 0; n < 20; n++) { ${sign} await delay(200); } return { output: "alive" };`;
      return [
        () => lab.start(body, { idleTimeoutMs }),
        () => lab.share(sharedPackage({ a: body }), "a", { idleTimeoutMs }),
      ];
    });
    const attempts: Pick<Attempt, "process" | "result">[] = [];
    for (const start of starts) {
      const attempt = await start();
      attempts.push(attempt);
      // The limit counts from here, also while a busy machine starts the process.
      await eventuallyTrue(() => attempt.process.pid !== undefined);
    }
    for (const attempt of attempts) {
      expect(await attempt.result).toEqual({ kind: "succeeded", output: '"alive"' });
    }
  });

  it("an idle limit ends one job of a shared process only", async () => {
    const shared = sharedPackage({ wait: `log("in"); await delay(60_000, undefined, { signal });` });
    const other = await lab.share(shared, "wait");
    const idle = await lab.share(shared, "wait", { idleTimeoutMs: 200 });
    expect(await idle.result).toEqual(idleFor(0.2));
    other.process.cancel("cancel");
    expect(await other.result).toMatchObject({ kind: "canceled" });
  });

  describe("by the clock", () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it("an idle limit fires once after the last touch, and never after stop", () => {
      const onIdle = vi.fn();
      const limit = startIdleLimit(100, onIdle);
      vi.advanceTimersByTime(90);
      limit.touch();
      vi.advanceTimersByTime(99);
      expect(onIdle).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(onIdle).toHaveBeenCalledOnce();
      const stopped = startIdleLimit(100, onIdle);
      stopped.stop();
      startIdleLimit(Infinity, onIdle);
      vi.advanceTimersByTime(10_000);
      expect(onIdle).toHaveBeenCalledOnce();
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});
