/** The sample packages on a worker: packed, unpacked without installed modules, run by a real job process. */
import { execFile } from "node:child_process";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readPdf } from "../../documents/test/read-pdf.ts";
import { type PackResult, packPackage } from "../../../runtime/package/build/pack.ts";
import { unpackPackage } from "../../../runtime/worker/package-cache/unpack.ts";
import { hasProgram } from "../../../test/support/processes/has-program.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../../test/support/temporary-directory.ts";
import { type Attempt, FACTS, type Lab, createLab } from "../../../test/unit/worker/process/lab.ts";
import { eventuallyTrue } from "../../../test/support/eventually.ts";

const SAMPLES = join(import.meta.dirname, "../..");

let packed: PackResult;
let root: TemporaryDirectory;
let lab: Lab;

async function packSample(name: string): Promise<void> {
  packed = await packPackage({
    directory: join(SAMPLES, name),
    target: { os: "linux", arch: process.arch, libc: "glibc" },
  });
  root = await temporaryDirectory();
  await unpackPackage({ bytes: packed.zip, directory: join(root.path, "package") });
}

beforeEach(async () => {
  lab = await createLab();
});
afterEach(() => lab.close());

/** Starts the first job of the package. */
function start(parameters: unknown): Promise<Attempt> {
  const [job] = packed.manifest.jobs;
  if (job === undefined) throw new Error("The package has no job.");
  return lab.start(
    {},
    {
      entry: job.entry,
      packagePath: join(root.path, "package"),
      job: { ...FACTS, jobType: job.jobType, parameters: JSON.stringify(parameters) },
    },
  );
}

const outputOf = async ({ result }: Attempt): Promise<unknown> => {
  const ended = await result;
  expect(ended).toMatchObject({ kind: "succeeded" });
  return ended.kind === "succeeded" && ended.output !== undefined ? JSON.parse(ended.output) : undefined;
};

const artifacts = ({ spec }: Attempt): Promise<string[]> => readdir(spec.workspace.outputPath);

const hasAwk = hasProgram("awk", "BEGIN { exit }");

describe("financial-year-end", () => {
  beforeAll(() => packSample("financial-year-end"));
  afterAll(() => root[Symbol.asyncDispose]());

  it("is a package for any platform that closes a year from its ZIP", async () => {
    expect(packed.warnings).toEqual([]);
    expect(packed.manifest.platform).toBe("any");
    const attempt = await start({ year: 2025 });
    expect(await outputOf(attempt)).toMatchObject({ year: 2025, entries: 560 });
    expect(await artifacts(attempt)).toContain("year-end-2025.md");
  });
});

describe.runIf(process.platform === "linux")("thumbnails", () => {
  beforeAll(() => packSample("thumbnails"), 30_000);
  afterAll(() => root[Symbol.asyncDispose]());

  it("runs from its ZIP with the native module for this platform", async () => {
    expect(packed.warnings).toEqual([]);
    expect(packed.manifest.platform).toEqual({ os: "linux", arch: process.arch, libc: "glibc" });
    const attempt = await start({ image: "camera-held-upright.jpg", sizes: [64] });
    expect(await outputOf(attempt)).toMatchObject({
      ...{ width: 480, height: 640 },
      thumbnails: [{ width: 48, height: 64 }],
    });
    expect(await artifacts(attempt)).toContain("camera-held-upright-64.jpg");
  });
});

describe("shell-tool", () => {
  beforeAll(() => packSample("shell-tool"));
  afterAll(() => root[Symbol.asyncDispose]());

  it("is a package for any platform, and only its program is executable after unpacking", async () => {
    expect(packed.warnings).toEqual([]);
    expect(packed.manifest).toMatchObject({
      platform: "any",
      jobs: [{ jobType: "LogSummary", entry: { kind: "command", command: "./bin/log-summary.sh" } }],
    });
    const bits = async (file: string) => ((await stat(join(root.path, "package", file))).mode & 0o111) !== 0;
    expect(await Promise.all(["bin/log-summary.sh", "bin/summarise.awk"].map(bits))).toEqual([true, false]);
  });

  it.skipIf(!hasAwk)("reports progress, a result and an artifact (needs awk)", async () => {
    const attempt = await start({ log: "webshop-log.txt" });
    expect(await outputOf(attempt)).toMatchObject({ lines: 1223, busiestHour: "2026-03-03 14:00" });
    expect(attempt.progress.at(-1)).toEqual({ fraction: 1, text: "Summarised 1223 lines" });
    expect(await artifacts(attempt)).toEqual(["log-summary.md"]);
  });

  it.skipIf(!hasAwk)("fails without a retry for wrong parameters (needs awk)", async () => {
    expect(await (await start({ log: "none.txt" })).result).toEqual({
      kind: "failed",
      code: "JobFailed",
      message: "The command ended with exit code 65: log: there is no file none.txt.",
      retryable: false,
    });
  });

  it.skipIf(!hasAwk)("stops when canceled, and leaves no partial report (needs awk)", async () => {
    // A pipe without a writer is a log that never ends.
    const log = join(root.path, "endless");
    await promisify(execFile)("mkfifo", [log]);
    const attempt = await start({ log });
    await attempt.logged("::progress 0 Counting lines");
    attempt.process.cancel("cancel");
    expect(await attempt.result).toEqual({ kind: "canceled", reason: "cancel", forced: false });
    expect(attempt.log()).toContain("Stopped as asked.");
    expect(await artifacts(attempt)).toEqual([]);
  });
});

describe("metadata-export", () => {
  beforeAll(() => packSample("metadata-export"), 30_000);
  afterAll(() => root[Symbol.asyncDispose]());

  /** Runs the timer with this name, as its tick does. */
  const tick = (name: string, parameters: unknown): Promise<Attempt> => {
    const job = packed.manifest.jobs.find(({ jobType }) => jobType === name);
    if (job === undefined) throw new Error(`The package has no ${name}.`);
    return lab.start(
      {},
      {
        entry: job.entry,
        packagePath: join(root.path, "package"),
        job: { ...FACTS, jobType: name, parameters: JSON.stringify(parameters), fence: 4 },
      },
    );
  };

  it("is a package for any platform with two timers, each with one attempt", () => {
    expect(packed.warnings).toEqual([]);
    expect(packed.manifest).toMatchObject({
      platform: "any",
      jobs: [
        { jobType: "metadata-check", retry: { maxAttempts: 1 } },
        { jobType: "metadata-export", retry: { maxAttempts: 1 } },
      ],
      timers: [
        { timerName: "metadata-check", cron: "00:05:00", misfire: "skip", graceSeconds: 30 },
        { timerName: "metadata-export", cron: "0 * * * * *", timeZone: "Europe/Vienna", runOnDeploy: true },
      ],
    });
  });

  it("writes Parquet at its tick, with the services of its setup", async () => {
    const scheduledAt = "2026-03-02T08:15:00.000Z";
    const attempt = await tick("metadata-export", { trigger: "schedule", scheduledAt, missedCount: 2 });
    expect(await outputOf(attempt)).toMatchObject({ file: "metadata-2026-03-02T08-15-00Z.parquet", rows: 48 });
    expect(await artifacts(attempt)).toEqual(["metadata-2026-03-02T08-15-00Z.parquet"]);
    expect(attempt.log()).toContain("2 exports before this one were missed.");
    const file = await readFile(join(attempt.spec.workspace.outputPath, "metadata-2026-03-02T08-15-00Z.parquet"));
    expect([file.subarray(0, 4), file.subarray(-4)].map(String)).toEqual(["PAR1", "PAR1"]);
  });

  it("runs the other timer of the package, also without a tick", async () => {
    expect(await outputOf(await tick("metadata-check", null))).toMatchObject({ documents: 48 });
  });

  it("fails without a retry for a trigger that no timer has", async () => {
    expect(await (await tick("metadata-check", { trigger: "moon" })).result).toMatchObject({
      ...{ kind: "failed", code: "JobFailed", retryable: false },
      message: expect.stringContaining("trigger: expected schedule, manual or deploy") as string,
    });
  });
});

describe("documents", () => {
  beforeAll(() => packSample("documents"), 30_000);
  afterAll(() => root[Symbol.asyncDispose]());

  it("consists of one code file and data, for any platform", async () => {
    expect(packed.warnings).toEqual([]);
    expect(packed.manifest.platform).toBe("any");
    expect((await readdir(join(root.path, "package"))).sort()).toEqual(["data", "job.json", "src"]);
    expect(packed.zip.length).toBeLessThan(1024 * 1024);
  });

  it("renders PDFs whose text can be read back", async () => {
    const attempt = await start({ date: "2026-03-02", from: 16, count: 3 });
    expect(await outputOf(attempt)).toMatchObject({ documents: 3, replaced: "" });
    expect(attempt.progress.at(-1)).toMatchObject({ fraction: 1 });
    const files = (await artifacts(attempt)).sort();
    expect(files).toEqual(["2026-C1016.pdf", "2026-C1017.pdf", "2026-C1018.pdf"]);
    const { title, pages } = readPdf(await readFile(join(attempt.spec.workspace.outputPath, "2026-C1017.pdf")));
    expect(title).toBe("Invoice 2026-C1017");
    expect(pages.length).toBeGreaterThan(2);
    expect(pages[0]).toContain("Náměstí Míru");
    expect(pages.at(-1)).toContain(`Page ${pages.length} of ${pages.length}`);
  });

  it("fails without a retry for wrong parameters", async () => {
    expect(await (await start({ date: "tomorrow", from: 1 })).result).toMatchObject({
      kind: "failed",
      code: "JobFailed",
      message: expect.stringContaining("date") as string,
      retryable: false,
    });
  });

  it("stops when canceled between documents", async () => {
    const attempt = await start({ date: "2026-03-02", from: 1, count: 240 });
    await eventuallyTrue(() => attempt.progress.some(({ fraction = 0 }) => fraction > 0));
    attempt.process.cancel("cancel");
    expect(await attempt.result).toMatchObject({ kind: "canceled", forced: false });
  });
});
