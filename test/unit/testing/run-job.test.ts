import { existsSync } from "node:fs";
import { readFile, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineJob, NonRetryableError, scalableTimerJob, type Setup } from "jobyard/job";
import { runJob } from "jobyard/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { sourcePackage } from "../../support/packages/source-package.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

afterEach(() => vi.unstubAllEnvs());

const job = (run: Parameters<typeof defineJob>[0]["run"]) => defineJob({ jobType: "Sample", run });

describe("runJob", () => {
  it("gives output, progress, log and artifacts of a job that succeeds", async () => {
    const greet = defineJob({
      jobType: "Greet",
      parameters: z.object({ name: z.string().trim() }),
      async run({ parameters, attempt, jobType }, { outputPath, progress, log }) {
        progress("Starting");
        progress(0.5, "Half way");
        progress(7);
        log("greeting", parameters.name, { attempt });
        log("two\nlines");
        await writeFile(join(outputPath, "b.txt"), `Hello, ${parameters.name}!`);
        await writeFile(join(outputPath, "a.bin"), Uint8Array.of(0, 255));
        return { output: { jobType, at: new Date(0) } };
      },
    });
    const { artifacts, ...run } = await runJob(greet, { parameters: { name: " Ada " }, attempt: 2 });
    expect(run).toEqual({
      outcome: "succeeded",
      output: { jobType: "Greet", at: "1970-01-01T00:00:00.000Z" },
      failure: undefined,
      progress: [{ text: "Starting" }, { fraction: 0.5, text: "Half way" }, { fraction: 1 }],
      log: ["greeting Ada { attempt: 2 }", "two", "lines"],
    });
    expect([...artifacts.keys()]).toEqual(["a.bin", "b.txt"]);
    expect(artifacts.get("a.bin")).toEqual(Buffer.from([0, 255]));
    expect(artifacts.get("b.txt")?.toString()).toBe("Hello, Ada!");
  });

  it("reports every progress at once, although a worker merges them", async () => {
    const reported: unknown[] = [];
    const counting = job((_job, { progress }) => {
      for (let step = 1; step <= 100; step++) progress(step / 100);
    });
    const run = await runJob(counting, { onProgress: ({ fraction }) => reported.push(fraction) });
    expect(reported).toHaveLength(100);
    expect(run.progress.map(({ fraction }) => fraction)).toEqual(reported);
  });

  it("fails with what the job threw, and keeps its files", async () => {
    const thrown = new RangeError("no such year", { cause: new Error("the ledger is empty") });
    const failing = job(async (_job, { outputPath }) => {
      await writeFile(join(outputPath, "trace.txt"), "so far");
      throw thrown;
    });
    const { outcome, failure, artifacts } = await runJob(failing);
    const message = "RangeError: no such year (the ledger is empty)";
    expect({ outcome, failure }).toEqual({
      outcome: "failed",
      failure: { code: "JobFailed", message, retryable: true, cause: thrown },
    });
    expect(failure?.cause).toBe(thrown);
    expect(artifacts.get("trace.txt")?.toString()).toBe("so far");
  });

  it("fails for good with a NonRetryableError and with refused parameters", async () => {
    const final = await runJob(
      job(() => {
        throw new NonRetryableError("never");
      }),
    );
    expect(final.failure).toMatchObject({ message: "never", retryable: false });
    const strict = defineJob({ jobType: "Strict", parameters: z.object({ year: z.int() }), run: () => undefined });
    const { failure } = await runJob(strict, { parameters: { year: "2025" } });
    expect(failure).toMatchObject({ code: "JobFailed", retryable: false });
    expect(failure?.message).toContain("The parameters do not fit Strict: year: ");
  });

  it("judges output and files as a worker does", async () => {
    const large = await runJob(job(() => ({ output: "x".repeat(40_000) })));
    expect(large.failure).toMatchObject({ code: "OutputTooLarge", retryable: false, cause: undefined });
    const wrong = await runJob(job(() => ({ outptu: 1 }) as object));
    expect(wrong.failure?.message).toContain('"outptu"');
    const endless = await runJob(job(() => ({ output: { of: Number.NaN } })));
    expect(endless.outcome).toBe("failed");
    const linked = await runJob(
      job(async (_job, { outputPath, packagePath }) => symlink(packagePath, join(outputPath, "link"))),
    );
    expect(linked).toMatchObject({ outcome: "succeeded", artifacts: new Map() });
  });

  it("cancels the job with its signal, before it starts and while it runs", async () => {
    const stop = new AbortController();
    const waiting = job(
      (_job, { signal, progress }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
          progress("waiting");
        }),
    );
    const run = await runJob(waiting, { signal: stop.signal, onProgress: () => stop.abort() });
    expect(run).toMatchObject({ outcome: "canceled", failure: undefined, output: undefined });
    const early = await runJob(waiting, { signal: AbortSignal.abort() });
    expect(early).toMatchObject({ outcome: "canceled", progress: [] });
  });

  it("counts the output of a job that finished its work although it was canceled", async () => {
    const stop = new AbortController();
    const finishing = (output: unknown) =>
      runJob(
        job(() => {
          stop.abort();
          return { output };
        }),
        { signal: stop.signal },
      );
    expect(await finishing("done")).toMatchObject({ outcome: "succeeded", output: "done" });
    stop.abort();
    expect(
      await runJob(
        job(() => undefined),
        { signal: stop.signal },
      ),
    ).toMatchObject({ outcome: "canceled" });
  });

  it("gives the job a copy of the package's listed files, and removes everything afterwards", async () => {
    await using source = await sourcePackage({
      "package.json": JSON.stringify({ name: "sample", jobyard: { files: ["data", "tool.sh"] } }),
      "data/a.csv": "shipped",
      "data/b.csv": "shipped",
      "tool.sh": "#!/bin/sh\n",
      "unlisted.csv": "not packed",
    });
    const paths: string[] = [];
    const reading = job(async (_job, { packagePath, workingPath, outputPath }) => {
      paths.push(packagePath, workingPath, outputPath);
      const read = (name: string) => readFile(join(packagePath, name), "utf8");
      await writeFile(join(packagePath, "data/a.csv"), "changed by the job");
      return {
        output: [await read("data/b.csv"), await read("more/c.csv"), existsSync(join(packagePath, "unlisted.csv"))],
      };
    });
    const files = { "data/b.csv": "replaced", "more/c.csv": Buffer.from("added") };
    const { output } = await runJob(reading, { directory: source.path, files });
    expect(output).toEqual(["replaced", "added", false]);
    expect(await readFile(join(source.path, "data/a.csv"), "utf8")).toBe("shipped");
    expect(paths.filter((path) => existsSync(path))).toEqual([]);
  });

  it("refuses what no submitter and no package could have", async () => {
    await using temporary = await temporaryDirectory();
    vi.stubEnv("TMPDIR", temporary.path);
    const nothing = job(() => undefined);
    await expect(runJob(nothing, { parameters: { at: 1n } })).rejects.toThrow();
    await expect(runJob(nothing, { files: { "../outside": "" } })).rejects.toThrow("../outside");
    await expect(runJob(nothing, { directory: join(tmpdir(), "none") })).rejects.toThrow("There is no package.json");
    await expect(runJob(nothing, { parameters: {}, timer: {} })).rejects.toThrow("either parameters, or timer");
    await expect(runJob(nothing, { services: {}, setup: () => ({}) })).rejects.toThrow("either setup, or services");
    expect(await readdir(temporary.path)).toEqual([]);
  });

  it("gives a job the services of setup, or those of the test", async () => {
    const setup: Setup = ({ packagePath }) => ({ packagePath });
    const using = job((_job, { services }) => ({ output: services }));
    const { output } = await runJob(using, { setup });
    expect(output).toHaveProperty("packagePath");
    expect(await runJob(using, { services: { fake: true } })).toMatchObject({ output: { fake: true } });
    const broken = new Error("no database");
    const { failure } = await runJob(using, { setup: () => Promise.reject(broken) });
    expect(failure).toMatchObject({ code: "JobFailed", message: "no database", cause: broken });
  });

  it("gives a timer its facts", async () => {
    const nightly = scalableTimerJob({ cron: "0 0 2 * * *" }, ({ timer, attempt }) => ({
      output: { ...timer, attempt },
    }));
    const scheduledAt = new Date("2026-03-02T02:00:00Z");
    const due = await runJob(nightly, { timer: { scheduledAt, missedCount: 2 }, fence: 3, jobType: "nightly" });
    expect(due.output).toEqual({
      ...{ name: "nightly", trigger: "schedule", scheduledAt: scheduledAt.toISOString(), isPastDue: true },
      ...{ missedCount: 2, fence: 3, attempt: 1 },
    });
    expect((await runJob(nightly)).output).toMatchObject({ trigger: "manual", missedCount: 0 });
  });

  it("runs many jobs at the same time, each in folders of its own", async () => {
    const lonely = job(async ({ parameters }, { outputPath, workingPath }) => {
      await writeFile(join(workingPath, "own"), "", { flag: "wx" });
      await writeFile(join(outputPath, "own.txt"), String(parameters), { flag: "wx" });
      return { output: (await stat(workingPath)).isDirectory() };
    });
    const runs = await Promise.all(Array.from({ length: 20 }, (_, index) => runJob(lonely, { parameters: index })));
    expect(runs.map(({ artifacts }) => artifacts.get("own.txt")?.toString())).toEqual(runs.map((_, i) => String(i)));
  });
});
