import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { PackageError } from "../../../runtime/core/errors.ts";
import { MANIFEST_MAX_BYTES } from "../../../runtime/core/limits.ts";
import { type Manifest, parseManifest } from "../../../runtime/core/manifest.ts";

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
};

const withJob = (job: unknown): unknown => ({ ...valid, jobs: [valid.jobs[0], job] });

function problemOf(value: unknown): string {
  try {
    parseManifest(typeof value === "string" ? value : JSON.stringify(value));
  } catch (error) {
    expect(error).toBeInstanceOf(PackageError);
    expect(error).toMatchObject({ code: "ManifestInvalid", retryable: false });
    return (error as PackageError).message;
  }
  throw new Error("The manifest was accepted.");
}

describe("parseManifest", () => {
  it("returns what a valid manifest says", () => {
    expect(parseManifest(JSON.stringify(valid))).toEqual(valid);
    expect(parseManifest(JSON.stringify({ ...valid, platform: "any" })).platform).toBe("any");
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
  ])("refuses %s by name", (_, value, expected) => {
    expect(problemOf(value)).toContain(expected);
  });

  it("counts further problems and lists them all", () => {
    const bad = JSON.stringify({ ...valid, name: "", platform: 1 });
    expect(() => parseManifest(bad)).toThrow(
      expect.objectContaining({
        details: [expect.objectContaining({ target: "name" }), expect.objectContaining({ target: "platform" })],
      }),
    );
    expect(problemOf(bad)).toMatch(/ \(and 1 more\)\.$/);
  });

  it("answers any JSON value with a manifest or a PackageError", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(valid)), (value, key) => {
        problemOf(value);
        const text = JSON.stringify({ ...valid, [key]: value });
        try {
          expect(JSON.parse(JSON.stringify(parseManifest(text)))).toEqual(JSON.parse(text));
        } catch (error) {
          expect(error).toMatchObject({ code: "ManifestInvalid" });
        }
      }),
    );
  });
});
