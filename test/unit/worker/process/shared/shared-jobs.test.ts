import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Attempt, FACTS, type Lab, createLab, isAlive, markedProcesses, sharedPackage } from "../lab.ts";
import { eventually } from "../../../../support/eventually.ts";
import { temporaryDirectory } from "../../../../support/temporary-directory.ts";

let lab: Lab;
beforeEach(async () => {
  lab = await createLab({ reuse: { jobsAtOnce: 3 } });
});
afterEach(() => lab.close());

const outputOf = async ({ result }: Pick<Attempt, "result">): Promise<unknown> => {
  const ended = await result;
  expect(ended).toMatchObject({ kind: "succeeded" });
  return JSON.parse((ended as { output: string }).output);
};

/** A door between jobs of one process: some wait for it, one opens it. */
const DOOR = "let open; const door = new Promise((resolve) => (open = resolve));";

describe("jobs that share a process", () => {
  it("jobs in turn share one process that is loaded and set up once", async () => {
    const before = `let loaded = 0, setups = 0; loaded++; let runs = 0;
      export const setup = async ({ packagePath }) => { setups++; await delay(1); return { packagePath }; };`;
    const body = `return { output: [process.pid, loaded, setups, ++runs, services.packagePath === packagePath] };`;
    const shared = sharedPackage({ a: body }, before);
    const seen: unknown[] = [];
    for (let n = 0; n < 3; n++) seen.push(await outputOf(await lab.share(shared, "a")));
    const [pid] = seen[0] as number[];
    expect(seen).toEqual([1, 2, 3].map((runs) => [pid, 1, 1, runs, true]));
    expect(shared.copyCount).toBe(1);
    expect(markedProcesses(lab.root)).toEqual([pid]);
  });

  it("several jobs run in one process at the same time", async () => {
    const bodies = { wait: `log("in"); await door; return { output: process.pid };`, open: "open();" };
    const shared = sharedPackage(bodies, DOOR);
    const waiting = await Promise.all([1, 2].map(() => lab.share(shared, "wait")));
    await Promise.all(waiting.map((attempt) => attempt.logged("in")));
    await (
      await lab.share(shared, "open")
    ).result;
    const [first, second] = await Promise.all(waiting.map(outputOf));
    expect(second).toBe(first);
  });

  it("jobs run in another process when one is full", async () => {
    const shared = sharedPackage({ wait: `log("in"); await door;` }, DOOR);
    const waiting = await Promise.all([1, 2, 3, 4].map(() => lab.share(shared, "wait")));
    await Promise.all(waiting.map((attempt) => attempt.logged("in")));
    const counts = new Map<number, number>();
    for (const { process } of waiting) counts.set(process.pid!, (counts.get(process.pid!) ?? 0) + 1);
    expect([...counts.values()].sort()).toEqual([1, 3]);
    await Promise.all(waiting.map(({ process }) => process.kill()));
  });

  it("jobs wait together for the setup of the first", async () => {
    const before = `let setups = 0; export const setup = async ({ log }) => { log("setting up"); await delay(50); return ++setups; };`;
    const shared = sharedPackage({ a: "return { output: services };" }, before);
    const attempts = await Promise.all([1, 2, 3].map(() => lab.share(shared, "a")));
    expect(await Promise.all(attempts.map(outputOf))).toEqual([1, 1, 1]);
    expect(attempts.filter((attempt) => attempt.log().includes("setting up"))).toHaveLength(1);
  });

  it("jobs fail together when setup throws, and the next one tries again", async () => {
    const before = `let setups = 0; export const setup = async () => { if (++setups === 1) throw new Error("no database"); return setups; };`;
    const shared = sharedPackage({ a: "return { output: services };" }, before);
    const failed = await (await lab.share(shared, "a")).result;
    expect(failed).toMatchObject({ kind: "failed", code: "JobFailed", message: "no database", retryable: true });
    expect(await outputOf(await lab.share(shared, "a"))).toBe(2);
  });

  it("jobs that share a process have facts, directories and progress of their own", async () => {
    const body = `progress(0.5, job.jobId); fs.writeFileSync(outputPath + "/own", job.jobId); await delay(5);
      return { output: { job, workingPath, outputPath, packagePath, cwd: process.cwd(), env: Object.keys(process.env) } };`;
    const shared = sharedPackage({ a: body });
    const jobs = ["j1", "j2"].map((jobId) => ({ ...FACTS, jobId, parameters: '"a"' }));
    const attempts = await Promise.all(jobs.map((job) => lab.share(shared, "a", { job })));
    const outputs = (await Promise.all(attempts.map(outputOf))) as Record<string, unknown>[];
    for (const [index, attempt] of attempts.entries()) {
      const { workingPath, outputPath } = attempt.process.workspace!;
      const { jobId } = jobs[index]!;
      expect(outputs[index]).toMatchObject({ job: { jobId, attempt: 2, parameters: "a" }, workingPath, outputPath });
      expect(attempt.progress).toEqual([{ fraction: 0.5, text: jobId }]);
      expect(await readFile(join(outputPath, "own"), "utf8")).toBe(jobId);
    }
    const { cwd, packagePath, env } = outputs[0]!;
    expect(String(cwd).startsWith(lab.root) && String(packagePath).startsWith(lab.root)).toBe(true);
    expect(attempts.map(({ process }) => process.workspace?.workingPath)).not.toContain(cwd);
    const names = ["HOME", "JOBYARD_PACKAGE_NAME", "JOBYARD_PACKAGE_PATH", "JOBYARD_PROCESS", "JOBYARD_TENANT_NAME"];
    expect((env as string[]).sort()).toEqual([...names, "PATH", "TMPDIR"]);
  });

  it("jobs share a process only within one tenant, package version and memory limit", async () => {
    const body = { a: "return { output: process.pid };" };
    const shared = sharedPackage(body);
    const job = { ...FACTS, parameters: '"a"' };
    const attempts = [
      await lab.share(shared, "a"),
      await lab.share(shared, "a", { job: { ...job, tenantName: "other" } }),
      await lab.share(shared, "a", { job: { ...job, jobProcessorPackageName: "other" } }),
      await lab.share(sharedPackage(body, "// newer"), "a"),
      await lab.share(shared, "a", { memoryMb: 300 }),
    ];
    expect(new Set(await Promise.all(attempts.map(outputOf))).size).toBe(5);
    expect(await outputOf(await lab.share(shared, "a"))).toBe(await outputOf(attempts[0]!));
  });

  it("a rejection left behind fails one job and does not harm the others", async () => {
    const bodies = {
      wait: `log("in"); await new Promise((go) => signal.addEventListener("abort", go)); return { output: "well" };`,
      leave: 'Promise.reject(new Error("lost")); return { output: 1 };',
    };
    const shared = sharedPackage(bodies);
    const waiting = await lab.share(shared, "wait");
    await waiting.logged("in");
    const left = await (await lab.share(shared, "leave")).result;
    expect(left).toMatchObject({ kind: "failed", code: "JobFailed", message: "lost", retryable: true });
    waiting.process.cancel("cancel");
    expect(await waiting.result).toEqual({ kind: "succeeded", output: '"well"' });
  });
});

describe("directories of jobs that share a process", () => {
  /** Not as in other tests, whose jobs ask for everything at once. */
  const NONE = { hash: "none", copyTo: (target: string) => copyPackage(target) };
  async function copyPackage(target: string): Promise<void> {
    await mkdir(target);
    const mark = `Symbol.for("jobyard.job"), { value: 1 }`;
    const source = `import fs from "node:fs";
      let kept;
      const jobs = {
        none: () => undefined,
        look: (job, { outputPath }) => ({ output: [outputPath, fs.readdirSync(outputPath)] }),
        write: (job, { outputPath }) => { fs.writeFileSync(outputPath + "/own", ""); return { output: outputPath }; },
        keep: (job, context) => { kept = context; },
        late: () => { try { return { output: kept.outputPath }; } catch (error) { return { output: error.message }; } },
      };
      const run = async (job, context) => jobs[job.parameters](job, context);
      export default Object.defineProperty({ jobType: "Sample", run }, ${mark});`;
    await writeFile(join(target, "index.mjs"), source);
  }
  const directories = async (): Promise<string[]> => (await readdir(lab.root)).filter((name) => name.startsWith("s-"));

  it("a job that asks for none has none, and leaves its place to the next", async () => {
    for (let n = 0; n < 3; n++) {
      const { process, result } = await lab.share(NONE, "none");
      expect(await result).toMatchObject({ kind: "succeeded" });
      expect(process.workspace).toBeUndefined();
    }
    // Those of the process, and those that the next job will be given.
    expect(await directories()).toHaveLength(2);
  });

  it("a job that asks has them for itself, and the next job has others, which are empty", async () => {
    const first = await lab.share(NONE, "write");
    const path = await outputOf(first);
    expect(first.process.workspace?.outputPath).toBe(path);
    expect(await readdir(path as string)).toEqual(["own"]);
    const [other, content] = (await outputOf(await lab.share(NONE, "look"))) as [string, string[]];
    expect(other).not.toBe(path);
    expect(content).toEqual([]);
  });

  it("a job that has ended cannot ask for directories that are another's now", async () => {
    await (
      await lab.share(NONE, "keep")
    ).result;
    expect(await outputOf(await lab.share(NONE, "late"))).toBe("The job has ended, and its directories with it.");
  });

  it("the directories go with the process, and those of a job that it ended stay for the job's end", async () => {
    const { process, result } = await lab.share(NONE, "write");
    await result;
    await lab.processes.close();
    expect(await directories()).toEqual([basename(process.workspace!.root)]);
  });
});

describe("what jobs of one process print", () => {
  it("output is in the log of the job that printed it", async () => {
    const body = `
      const me = job.jobId;
      console.log(me, "first"); await delay(2); console.error(me, "after a timer");
      await fs.promises.readFile(packagePath + "/index.mjs"); process.stdout.write(me + " after a fi");
      setTimeout(() => process.stdout.write("le\\n"), 1); await delay(5);
      await new Promise((resolve) => fs.stat("/", () => { console.log(me, "in a callback"); resolve(); }));
      queueMicrotask(() => console.log(me, "in a microtask")); log(me, "logged"); process.stdout.write(Buffer.from("ü " + me));`;
    const shared = sharedPackage({ a: body });
    const attempts = await Promise.all(
      ["j1", "j2", "j3"].map((jobId) => lab.share(shared, "a", { job: { ...FACTS, jobId, parameters: '"a"' } })),
    );
    for (const [index, attempt] of attempts.entries()) {
      const me = `j${index + 1}`;
      await attempt.result;
      const lines = attempt
        .log()
        .trimEnd()
        .split("\n")
        .map((line) => line.slice(25));
      expect(lines).toEqual([
        ...[`out ${me} first`, `err ${me} after a timer`, `out ${me} after a file`, `out ${me} in a callback`],
        ...[`log ${me} logged`, `out ü ${me}${me} in a microtask`],
      ]);
    }
  });

  it("output outside of any job goes to the log of the oldest job", async () => {
    const shared = sharedPackage(
      { wait: `log("in"); await door;`, left: `setTimeout(() => { console.log("left behind"); open(); }, 20);` },
      DOOR,
    );
    const first = await lab.share(shared, "wait");
    const second = await lab.share(shared, "wait");
    await Promise.all([first.logged("in"), second.logged("in")]);
    await (
      await lab.share(shared, "left")
    ).result;
    await first.logged("out [shared] left behind");
    await second.result;
    expect(second.log()).not.toContain("left behind");
  });

  it("output of started processes goes to the log of the oldest job", async () => {
    const body = `await new Promise((resolve) => spawn("echo", ["from echo"], { stdio: "inherit" }).on("exit", resolve)); await door;`;
    const attempt = await lab.share(sharedPackage({ a: body }, DOOR), "a");
    await attempt.logged("out [shared] from echo");
    await attempt.process.kill();
  });
});

describe("a shared process", () => {
  const PID = { a: "return { output: process.pid };" };
  const reopen = async (reuse: object): Promise<void> => {
    await lab.close();
    lab = await createLab({ reuse });
  };
  const gone = (pid: unknown): Promise<void> => eventually(() => expect(isAlive(pid as number)).toBe(false));

  it("a shared process ends after its maximum of jobs", async () => {
    await reopen({ maxJobs: 2 });
    const shared = sharedPackage(PID);
    const pids: unknown[] = [];
    for (let n = 0; n < 4; n++) pids.push(await outputOf(await lab.share(shared, "a")));
    expect(pids[1]).toBe(pids[0]);
    expect(pids[3]).toBe(pids[2]);
    expect(pids[2]).not.toBe(pids[0]);
    await gone(pids[0]);
  });

  it("a shared process ends at its maximum age, when its jobs have ended", async () => {
    await reopen({ maxAgeMs: 100 });
    const wait = `log("in"); await delay(200); return { output: process.pid };`;
    const shared = sharedPackage({ ...PID, wait });
    const old = await lab.share(shared, "wait");
    await old.logged("in");
    await eventually(async () => expect(await outputOf(await lab.share(shared, "a"))).not.toBe(old.process.pid));
    await gone(await outputOf(old));
  });

  it("a shared process ends after idle time", async () => {
    await reopen({ idleMs: 50 });
    await gone(await outputOf(await lab.share(sharedPackage(PID), "a")));
    await eventually(() => expect(markedProcesses(lab.root)).toEqual([]));
  });

  it("a shared process above its memory takes no more jobs", async () => {
    const grow = `globalThis.kept = Buffer.alloc(100 << 20, 1); log("grown"); await door; return { output: process.pid };`;
    const shared = sharedPackage({ ...PID, grow, open: "open();" }, DOOR);
    const changes = { memoryMb: 100 };
    const fat = await lab.share(shared, "grow", changes);
    await fat.logged("grown");
    const other = await eventually(
      async () => {
        const pid = await outputOf(await lab.share(shared, "a", changes));
        expect(markedProcesses(lab.root)).toHaveLength(2);
        return pid;
      },
      { interval: 50 },
    );
    expect(isAlive(fat.process.pid!)).toBe(true);
    expect(other).not.toBe(fat.process.pid);
    await fat.process.kill();
  });

  it("a shared process with a forgotten rejection takes no more jobs", async () => {
    const left = `setTimeout(() => { Promise.reject(new Error("forgotten")); }, 20); return { output: process.pid };`;
    await using place = await temporaryDirectory();
    const flag = join(place.path, "go-on");
    const isThere = `process.getBuiltinModule("node:fs").existsSync(${JSON.stringify(flag)})`;
    const wait = `log("in"); while (!${isThere}) await delay(5); return { output: process.pid };`;
    const shared = sharedPackage({ ...PID, left, wait });
    const waiting = await lab.share(shared, "wait");
    await waiting.logged("in");
    const pid = await outputOf(await lab.share(shared, "left"));
    await waiting.logged("[shared] Error: forgotten");
    await eventually(async () => expect(await outputOf(await lab.share(shared, "a"))).not.toBe(pid));
    await writeFile(flag, "");
    expect(await outputOf(waiting)).toBe(pid);
    await gone(pid);
  });

  it("a shared process removes its directory", async () => {
    await reopen({ maxJobs: 1 });
    const shared = sharedPackage({ a: "return { output: packagePath };" });
    const path = (await outputOf(await lab.share(shared, "a"))) as string;
    await eventually(() => expect(existsSync(path)).toBe(false));
  });
});
