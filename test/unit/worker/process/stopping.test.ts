import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FOREVER, type Lab, createLab, isAlive, markedProcesses } from "./lab.ts";
import { eventually, eventuallyTrue } from "../../../support/eventually.ts";

let lab: Lab;
beforeEach(async () => {
  lab = await createLab();
});
afterEach(() => lab.close());

const UNTIL_ABORTED = `
  log("waiting");
  await delay(60_000, undefined, { signal });`;

describe("a time limit", () => {
  it("a time limit ends a job that spins and is named in the failure", async () => {
    const { result } = await lab.start("for (;;);", { timeoutMs: 300, graceMs: 50 });
    expect(await result).toEqual({
      kind: "failed",
      code: "JobTimedOut",
      message: "The job ran longer than its limit of 0.3 s.",
      retryable: true,
    });
  });

  it("a job that ends by itself after its time limit has still failed", async () => {
    const { result } = await lab.start(`try { ${UNTIL_ABORTED} } catch { log("tidied up"); } return { output: 1 };`, {
      timeoutMs: 300,
      graceMs: 60_000,
    });
    expect(await result).toMatchObject({ kind: "failed", code: "JobTimedOut" });
  });

  it("a time limit covers loading the package", async () => {
    const source = "for (;;);";
    const { result } = await lab.start({ "index.mjs": source }, { timeoutMs: 300, graceMs: 50 });
    expect(await result).toMatchObject({ kind: "failed", code: "JobTimedOut" });
  });
});

describe("cancel", () => {
  it("cancel aborts the signal, and a job that throws then is canceled", async () => {
    const attempt = await lab.start(UNTIL_ABORTED);
    await attempt.logged("waiting");
    attempt.process.cancel("cancel");
    expect(await attempt.result).toEqual({ kind: "canceled", reason: "cancel", forced: false });
    await attempt.logged("Stopped as asked.");
  });

  it("cancel gives the job the reason", async () => {
    const body = `log("waiting"); setInterval(() => {}, 1e6);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      log("because: " + signal.reason.name + ": " + signal.reason.message);`;
    const attempt = await lab.start(body);
    await attempt.logged("waiting");
    attempt.process.cancel("drain");
    expect(await attempt.result).toEqual({ kind: "canceled", reason: "drain", forced: false });
    expect(attempt.log()).toContain("because: AbortError: The worker shuts down");
  });

  it("cancel reaches a job that waits for nothing but the signal", async () => {
    const body = `log("waiting"); await new Promise((resolve) => signal.addEventListener("abort", resolve));`;
    const attempt = await lab.start(body);
    await attempt.logged("waiting");
    attempt.process.cancel("cancel");
    expect(await attempt.result).toEqual({ kind: "canceled", reason: "cancel", forced: false });
  });

  it("cancel keeps the output of a job that finished its work", async () => {
    const attempt = await lab.start(`try { ${UNTIL_ABORTED} } catch {} return { output: "finished" };`);
    await attempt.logged("waiting");
    attempt.process.cancel("cancel");
    expect(await attempt.result).toEqual({ kind: "succeeded", output: '"finished"' });
  });

  it("cancel ends a job that spins by force", async () => {
    const attempt = await lab.start(`console.log("spinning"); for (;;);`, { graceMs: 50 });
    await attempt.logged("spinning");
    attempt.process.cancel("cancel");
    expect(await attempt.result).toEqual({ kind: "canceled", reason: "cancel", forced: true });
  });

  it("cancel ends a job that ignores it after the grace period", async () => {
    const attempt = await lab.start(`log("waiting"); ${FOREVER}`, { graceMs: 200 });
    await attempt.logged("waiting");
    const before = performance.now();
    attempt.process.cancel("cancel");
    expect(await attempt.result).toEqual({ kind: "canceled", reason: "cancel", forced: true });
    expect(performance.now() - before).toBeGreaterThanOrEqual(199);
  });

  it("cancel before the start keeps the job from starting", async () => {
    const attempt = await lab.start(`fs.writeFileSync(outputPath + "/ran", "");`);
    attempt.process.cancel("cancel");
    expect(await attempt.result).toEqual({ kind: "canceled", reason: "cancel", forced: false });
    await expect(readFile(join(attempt.spec.workspace.outputPath, "ran"))).rejects.toThrow("ENOENT");
  });

  it("cancel during loading or setup keeps run from being called", async () => {
    const source = `import fs from "node:fs"; console.log("loading"); ${FOREVER.replace("await new Promise(() => {});", "")}
      const next = () => new Promise((resolve) => setTimeout(resolve, 20));
      while (!fs.existsSync(process.env.JOBYARD_OUTPUT_PATH + "/go")) await next();
      await next(); export default {};`;
    const attempt = await lab.start({ "index.mjs": source });
    await attempt.logged("loading");
    attempt.process.cancel("cancel");
    await writeFile(join(attempt.spec.workspace.outputPath, "go"), "");
    expect(await attempt.result).toMatchObject({ kind: "canceled" });
  });

  it("cancel counts once, also after the end", async () => {
    const attempt = await lab.start(`return { output: 1 };`);
    expect(await attempt.result).toEqual({ kind: "succeeded", output: "1" });
    attempt.process.cancel("cancel");
    await attempt.process.kill();
    const other = await lab.start(UNTIL_ABORTED);
    await other.logged("waiting");
    other.process.cancel("drain");
    other.process.cancel("cancel");
    other.process.cancel("drain");
    expect(await other.result).toMatchObject({ reason: "drain" });
  });
});

describe("kill", () => {
  it("kill ends everything at once, and nothing runs when it resolves", async () => {
    const attempt = await lab.start(`console.log("spinning"); for (;;);`);
    await attempt.logged("spinning");
    const { pid } = attempt.process;
    const killed = Promise.all([attempt.process.kill(), attempt.process.kill()]);
    await killed;
    expect(isAlive(pid!)).toBe(false);
    expect(markedProcesses(lab.root)).toEqual([]);
    expect(await attempt.result).toEqual({ kind: "killed" });
  });

  it("kill before there is a process keeps the job from starting", async () => {
    const attempt = await lab.start(`fs.writeFileSync(outputPath + "/ran", "");`);
    await attempt.process.kill();
    expect(await attempt.result).toEqual({ kind: "killed" });
    await expect(readFile(join(attempt.spec.workspace.outputPath, "ran"))).rejects.toThrow("ENOENT");
  });

  it("kill does not wait for the grace period of a cancel", async () => {
    const attempt = await lab.start(`log("waiting"); ${FOREVER}`, { graceMs: 60_000 });
    await attempt.logged("waiting");
    attempt.process.cancel("cancel");
    await attempt.process.kill();
    expect(await attempt.result).toEqual({ kind: "killed" });
  });

  it("kill ends a stopped process", async () => {
    const attempt = await lab.start(`process.kill(process.pid, "SIGSTOP");`);
    await eventuallyTrue(() => attempt.process.pid !== undefined);
    const { pid } = attempt.process;
    await eventually(async () => expect(await readFile(`/proc/${pid}/stat`, "utf8")).toMatch(/\) T /));
    await attempt.process.kill();
    expect(isAlive(pid!)).toBe(false);
  });
});

/** Bodies of jobs that start a process which outlives them, and log its pid. */
const LEFT_BEHIND = {
  "in its group": `const child = spawn("sleep", ["600"], { stdio: "ignore" }); child.unref(); log("left", child.pid);`,
  "in a session of its own": `const child = spawn("sleep", ["600"], { stdio: "ignore", detached: true }); child.unref(); log("left", child.pid);`,
  "holding its output": `const child = spawn("sleep", ["600"], { stdio: "inherit", detached: true }); child.unref(); log("left", child.pid);`,
  "started by a process that is gone": `
    const script = 'const { pid } = child_process.spawn("sleep", ["600"], { detached: true, stdio: "ignore" }); console.log(pid); process.exit()';
    const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] });
    log("left", await new Promise((resolve) => child.stdout.once("data", resolve)) | 0);
    child.stdout.destroy();`,
};

describe("processes a job leaves behind", () => {
  it.each(Object.entries(LEFT_BEHIND))("%s end with their job, and the log says so", async (_, body) => {
    const attempt = await lab.start(body);
    expect(await attempt.result).toEqual({ kind: "succeeded", output: undefined });
    const pid = Number(/left (\d+)/.exec(attempt.log())![1]);
    expect(isAlive(pid)).toBe(false);
    expect(attempt.log()).toMatch(/sys \d processes that the job had left running were ended/);
  });

  it("processes left behind end when the job crashes or is killed", async () => {
    const body = LEFT_BEHIND["in a session of its own"];
    const crashed = await lab.start(`${body} process.abort();`);
    expect(await crashed.result).toMatchObject({ code: "JobCrashed" });
    expect(markedProcesses(lab.root)).toEqual([]);
    const killed = await lab.start(`${body} for (;;);`);
    await killed.logged("left");
    await killed.process.kill();
    expect(markedProcesses(lab.root)).toEqual([]);
  });

  it("processes without the mark are found by their parent", async () => {
    const body = `const child = spawn("sleep", ["600"], { stdio: "ignore", detached: true, env: {} });
      log("left", child.pid); for (;;);`;
    const attempt = await lab.start(body);
    await attempt.logged("left");
    const pid = Number(/left (\d+)/.exec(attempt.log())![1]);
    await attempt.process.kill();
    expect(isAlive(pid)).toBe(false);
  });

  it("processes end while they multiply", async () => {
    const script = `n=0; while [ $n -lt 60 ]; do n=$((n+1)); (setsid sh -c 'sleep 600 & sleep 600') & done; wait`;
    const attempt = await lab.start(`spawn("sh", ["-c", ${JSON.stringify(script)}]); log("growing"); ${FOREVER}`);
    await attempt.logged("growing");
    await attempt.process.kill();
    expect(markedProcesses(lab.root)).toEqual([]);
  });
});
