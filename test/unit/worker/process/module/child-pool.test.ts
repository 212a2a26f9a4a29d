import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ChildPool, createChildPool } from "../../../../../runtime/worker/process/module/child-pool.ts";
import type { HostChild } from "../../../../../runtime/worker/process/module/host-child.ts";
import { LaunchError } from "../../../../../runtime/worker/process/os/launch.ts";
import { createLab, markedProcesses } from "../lab.ts";
import { eventuallyTrue } from "../../../../support/eventually.ts";

/** Children whose start, readiness and death the test decides. */
function nursery() {
  const starting: PromiseWithResolvers<HostChild>[] = [];
  const ended: HostChild[] = [];
  return {
    starting,
    ended,
    start: () => {
      const child = Promise.withResolvers<HostChild>();
      starting.push(child);
      return child.promise;
    },
    end: (child: HostChild) => {
      ended.push(child);
      return Promise.resolve();
    },
    /** Lets the n-th child become ready; returns it and how to let it die. */
    born(index: number) {
      const exit = Promise.withResolvers<unknown>();
      const child = { process: { pid: index, exit: exit.promise } } as unknown as HostChild;
      starting[index]!.resolve(child);
      return { child, die: () => exit.resolve({ code: 1, signal: null }) };
    },
  };
}

const NEVER = new AbortController().signal;

describe("a pool of spare children", () => {
  let children: ReturnType<typeof nursery>;
  let pool: ChildPool;
  const open = (spares: number): void => {
    children = nursery();
    pool = createChildPool({ spares, start: children.start, end: children.end });
  };
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });
  afterEach(async () => {
    const closed = pool.close();
    vi.useRealTimers();
    await closed;
  });

  it("the pool starts spares ahead and replaces each that is taken", async () => {
    open(2);
    expect(children.starting).toHaveLength(2);
    const { child } = children.born(0);
    expect(await pool.take(NEVER)).toBe(child);
    await turn();
    expect(children.starting).toHaveLength(3);
    children.born(1);
    children.born(2);
  });

  it("the pool gives each child away once, ready ones first", async () => {
    open(2);
    const { child: second } = children.born(1);
    await turn();
    expect(await pool.take(NEVER)).toBe(second);
    const waiting = pool.take(NEVER);
    const { child: first } = children.born(0);
    expect(await waiting).toBe(first);
    await turn();
    children.born(2);
    children.born(3);
  });

  it("a pool without spares starts a child on demand", async () => {
    open(0);
    expect(children.starting).toHaveLength(0);
    const taken = pool.take(NEVER);
    const { child } = children.born(0);
    expect(await taken).toBe(child);
    await turn();
    expect(children.starting).toHaveLength(1);
  });

  it("the pool replaces a spare that died, after a while", async () => {
    open(1);
    const { die } = children.born(0);
    await turn();
    die();
    await turn();
    expect(children.starting).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(children.starting).toHaveLength(2);
    expect(children.ended).toHaveLength(1);
    children.born(1);
  });

  it("the pool tries once more when a spare did not start, and then throws", async () => {
    open(1);
    const taken = pool.take(NEVER);
    children.starting[0]!.reject(new LaunchError("no memory"));
    await turn();
    children.starting.at(-1)!.reject(new LaunchError("still no memory"));
    children.starting[1]!.reject(new LaunchError("still no memory"));
    await expect(taken).rejects.toThrow("still no memory");
  });

  it("the pool keeps the child of an aborted call, or ends it if there are enough", async () => {
    open(1);
    const controller = new AbortController();
    const taken = pool.take(controller.signal);
    controller.abort(new Error("not any more"));
    await expect(taken).rejects.toThrow("not any more");
    await turn();
    const first = children.born(0).child;
    expect(await pool.take(NEVER)).toBe(first);
    await turn();
    children.born(1);
    await pool.close();
    expect(children.ended).toHaveLength(1);
  });

  it("a closed pool leaves no process behind", async () => {
    open(2);
    const { child: ready } = children.born(0);
    const closing = pool.close();
    const { child: late } = children.born(1);
    await closing;
    expect(children.ended).toEqual([ready, late]);
    expect(children.starting).toHaveLength(2);
    await expect(pool.take(NEVER)).rejects.toThrow(LaunchError);
  });
});

describe("real spares", () => {
  it("real spares serve one job each", async () => {
    const lab = await createLab({ spares: 2 });
    await eventuallyTrue(() => markedProcesses(lab.root).length === 2);
    const before = markedProcesses(lab.root);
    const pids: string[] = [];
    for (let n = 0; n < 4; n++) {
      const attempt = await lab.start(
        `globalThis.n = (globalThis.n ?? 0) + 1; return { output: [process.pid, globalThis.n] };`,
      );
      const result = await attempt.result;
      pids.push((result as { output: string }).output);
    }
    expect(pids.every((text) => text.endsWith(",1]"))).toBe(true);
    expect(new Set(pids).size).toBe(4);
    expect(before.map(String)).toContain(/\d+/.exec(pids[0]!)![0]);
    await lab.close();
  });
});
