import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { PackageError, UnreadableError } from "../../../../runtime/core/errors.ts";
import { CRON_MAX_LENGTH, MANIFEST_MAX_BYTES, PACKAGE_MAX_TIMERS } from "../../../../runtime/core/limits.ts";
import { type Manifest, parseAcceptedManifest, parseManifest } from "../../../../runtime/core/package/manifest.ts";

const valid: Manifest = {
  manifestVersion: 1,
  name: "thumbnails",
  version: "1.0.0",
  platform: { os: "linux", arch: "x64", libc: "glibc" },
  jobs: [
    {
      jobType: "Thumbnails",
      entry: { kind: "module", file: "src/thumbnails.mjs", export: "default" },
      retry: { maxAttempts: 5, jitter: 0.5 },
      timeoutMs: 60_000,
      idleTimeoutMs: 5_000,
      memoryMb: 512,
      isolation: "reuse",
    },
    { jobType: "Convert", entry: { kind: "command", command: "./bin/convert.sh", args: ["--in", "{package}/data"] } },
    { jobType: "Python", entry: { kind: "command", command: "python3.12" } },
  ],
  timers: [
    {
      ...{ timerName: "Thumbnails", cron: "0 30 2 * * MON-FRI", timeZone: "Europe/Vienna", misfire: { all: 5 } },
      ...{ overlap: "queue", graceSeconds: 0, runOnDeploy: true, pool: "gpu", priority: "low" },
    },
    { timerName: "Python", cron: "1.00:00:00" },
  ],
};

const manifestIn = (text: string): Manifest => parseManifest(Buffer.from(text));

const withJob = (job: unknown): unknown => ({ ...valid, jobs: [valid.jobs[0], job] });

function problemOf(value: unknown): string {
  try {
    manifestIn(typeof value === "string" ? value : JSON.stringify(value));
  } catch (error) {
    expect(error).toBeInstanceOf(PackageError);
    expect(error).toMatchObject({ code: "ManifestInvalid", retryable: false });
    return (error as PackageError).message;
  }
  throw new Error("The manifest was accepted.");
}

describe("parseManifest", () => {
  it("parseManifest returns a valid manifest", () => {
    expect(manifestIn(JSON.stringify(valid))).toEqual(valid);
    expect(manifestIn(JSON.stringify({ ...valid, platform: "any" })).platform).toBe("any");
  });

  const module = (file: unknown, name?: unknown) =>
    withJob({ jobType: "B", entry: { kind: "module", file, export: name } });
  const command = (text: unknown, args?: unknown) =>
    withJob({ jobType: "B", entry: { kind: "command", command: text, args } });

  it.each<[string, unknown, string]>([
    ["text that is not JSON", "{", "job.json is not JSON: "],
    ["a list", [], "job.json: expected an object."],
    [
      "another version",
      { ...valid, manifestVersion: 2 },
      "manifestVersion: expected 1; this runtime knows no other version",
    ],
    ["a name with a slash", { ...valid, name: "a/b" }, "name: expected letters, digits, inner dots"],
    ["an unknown field", { ...valid, cron: "* * * * *" }, 'expected only known fields, not "cron"'],
    [
      "a program that is to be reused",
      withJob({ jobType: "B", entry: { kind: "command", command: "sh" }, isolation: "reuse" }),
      'jobs[1].isolation: expected "process": a program cannot be reused',
    ],
    [
      "an unknown isolation",
      withJob({ jobType: "B", entry: { kind: "module", file: "b.mjs" }, isolation: "thread" }),
      'jobs[1].isolation: expected "process" or "reuse"',
    ],
    [
      "memory in bytes",
      withJob({ jobType: "B", entry: { kind: "module", file: "b.mjs" }, memoryMb: 2 ** 29 }),
      "jobs[1].memoryMb: expected a whole number from 64 to",
    ],
    ["no jobs", { ...valid, jobs: [] }, "jobs: expected at least one job"],
    ["a missing list", { ...valid, jobs: undefined }, "jobs: expected a list of jobs"],
    [
      "a repeated type",
      withJob(valid.jobs[0]),
      'jobs[1].jobType: expected job types that differ; jobs[0] is "Thumbnails" too',
    ],
    ["an empty type", withJob({ ...valid.jobs[0], jobType: "" }), "jobs[1].jobType: expected one line of 1 to 200"],
    [
      "an unknown kind",
      withJob({ jobType: "B", entry: { kind: "wasm" } }),
      'jobs[1].entry.kind: expected kind "module" or "command"',
    ],
    [
      "a file above the package",
      module("../x.mjs"),
      'jobs[1].entry.file: expected a path relative to the package; this one contains ".."',
    ],
    ["an absolute file", module("/etc/x.mjs"), "this one is absolute"],
    ["a backslash", module("src\\x.mjs"), "this one contains a backslash"],
    ["an export that is no name", module("x.mjs", "a b"), "jobs[1].entry.export: expected the name of an export"],
    ["a command above the package", command("../tool"), 'this one contains ".."'],
    [
      "a command with spaces",
      command("rm -rf"),
      "jobs[1].entry.command: expected a path inside the package with a slash",
    ],
    ["an argument that is no text", command("sh", [1]), "jobs[1].entry.args[0]: expected a text"],
    [
      "too many attempts",
      withJob({ ...valid.jobs[1], retry: { maxAttempts: 51 } }),
      "jobs[1].retry.maxAttempts: expected a whole number from 1 to 50",
    ],
    [
      "a timeout of no time",
      withJob({ ...valid.jobs[1], timeoutMs: 0 }),
      "jobs[1].timeoutMs: expected a whole number from 1",
    ],
    [
      "an incomplete platform",
      { ...valid, platform: { os: "linux" } },
      'platform: expected "any" or { os, arch, libc? }',
    ],
    ["a manifest that is too large", " ".repeat(MANIFEST_MAX_BYTES + 1), "job.json is larger than"],
  ])("parseManifest refuses %s by name", (_, value, expected) => {
    expect(problemOf(value)).toContain(expected);
  });

  const withTimer = (changes: object) => ({
    ...valid,
    timers: [{ timerName: "Python", cron: "00:10:00", ...changes }],
  });

  it.each<[string, unknown, string]>([
    ["a timer without a schedule", withTimer({ cron: undefined }), "timers[0].cron: expected a text"],
    [
      "a field of cron that cannot be",
      withTimer({ cron: "0 60 * * * *" }),
      'timers[0].cron: Cron field minute: "60" must be of 0-59, as *, a, a-b, with /n for steps.',
    ],
    ["a date no calendar has", withTimer({ cron: "0 0 0 31 2 *" }), "timers[0].cron: Cron"],
    ["a day as hours", withTimer({ cron: "24:00:00" }), 'timers[0].cron: Time span "24:00:00" must be hh:mm:ss'],
    [
      "endless cron",
      withTimer({ cron: `${"0,".repeat(CRON_MAX_LENGTH)}0 * * * * *` }),
      "timers[0].cron: expected one line",
    ],
    [
      "a zone that is none",
      withTimer({ timeZone: "W. Europe Standard Time" }),
      'timers[0].timeZone: Time zone "W. Europe Standard Time" is not in the IANA database',
    ],
    [
      "an offset as zone",
      withTimer({ timeZone: "+01:00" }),
      'Time zone "+01:00" is an offset, which is wrong for half of the year',
    ],
    ["an unknown misfire", withTimer({ misfire: "all" }), 'timers[0].misfire: expected "once", "skip" or { "all": '],
    ["too many missed ticks", withTimer({ misfire: { all: 101 } }), "a whole number from 1 to 100"],
    ["an unknown overlap", withTimer({ overlap: "wait" }), 'timers[0].overlap: expected "skip", "queue" or "allow"'],
    ["no grace", withTimer({ graceSeconds: -1 }), "timers[0].graceSeconds: expected a whole number from 0 to 86400"],
    ["a pool that cannot be", withTimer({ pool: "GPU" }), "timers[0].pool: expected the name of a pool"],
    ["an unknown priority", withTimer({ priority: "urgent" }), 'timers[0].priority: expected "high", "normal", "low"'],
    ["a name with a dot", withTimer({ timerName: "a.b" }), "timers[0].timerName: expected 1 to 60 letters, digits"],
    [
      "a timer that is no job",
      withTimer({ timerName: "python" }),
      'timers[0].timerName: expected a job type of this package; none is "python".',
    ],
    [
      "timers of one name",
      { ...valid, timers: ["Python", "PYTHON"].map((timerName) => ({ timerName, cron: "00:10:00" })) },
      'timers[1].timerName: expected names that differ not only in capitals; timers[0] is "Python" (and 1 more)',
    ],
    [
      "too many timers",
      {
        ...valid,
        timers: Array.from({ length: PACKAGE_MAX_TIMERS + 1 }, () => ({ timerName: "Python", cron: "00:10:00" })),
      },
      "timers: expected at most 200 timers, not 201",
    ],
    ["an unknown field of a timer", withTimer({ schedule: "x" }), 'expected only known fields, not "schedule"'],
  ])("parseManifest refuses %s by name", (_, value, expected) => {
    expect(problemOf(value)).toContain(expected);
  });

  it("parseManifest lists all problems and counts further ones", () => {
    const bad = JSON.stringify({ ...valid, name: "", platform: 1 });
    expect(() => manifestIn(bad)).toThrow(
      expect.objectContaining({
        details: [expect.objectContaining({ target: "name" }), expect.objectContaining({ target: "platform" })],
      }),
    );
    expect(problemOf(bad)).toMatch(/ \(and 1 more\)\.$/);
  });

  it("parseManifest answers any JSON value with a manifest or a PackageError", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(valid)), (value, key) => {
        problemOf(value);
        const text = JSON.stringify({ ...valid, [key]: value });
        try {
          expect(JSON.parse(JSON.stringify(manifestIn(text)))).toEqual(JSON.parse(text));
        } catch (error) {
          expect(error).toMatchObject({ code: "ManifestInvalid" });
        }
      }),
    );
  });
});

describe("the manifest of a package that a later release may have accepted", () => {
  it("a manifest of another version is unreadable, and that is not the fault of the package", () => {
    const error = (text: string): unknown => {
      try {
        return parseAcceptedManifest(Buffer.from(text));
      } catch (thrown) {
        return thrown;
      }
    };
    const later = error(JSON.stringify({ manifestVersion: 2, parts: [] }));
    expect(later).toBeInstanceOf(UnreadableError);
    expect(later).toMatchObject({ format: "manifest", message: "The version of job.json is 2; this release reads 1." });
    for (const broken of ["{", "[]", '{"manifestVersion":1}', '{"manifestVersion":"2"}', '{"manifestVersion":-1}']) {
      expect(error(broken)).toBeInstanceOf(PackageError);
    }
    const bytes = Buffer.from(JSON.stringify(valid));
    expect(parseAcceptedManifest(bytes)).toEqual(parseManifest(bytes));
  });
});
