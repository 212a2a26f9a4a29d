import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCli } from "../../../runtime/cli/cli.ts";
import { EXIT } from "../../../runtime/cli/exit-codes.ts";
import { nodeVersionProblem } from "../../../runtime/platform/node-version.mjs";
import { sourcePackage } from "../../support/packages/source-package.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

async function jobyard(...args: readonly string[]) {
  const out: string[] = [];
  const error: string[] = [];
  const code = await runCli(args, {
    terminal: {
      out: (text) => out.push(text),
      error: (text) => error.push(text),
      write: (text) => out.push(text),
      paint: (_style, text) => text,
      screen: undefined,
      columns: 120,
    },
    env: {},
  });
  return { code, out: out.join("\n"), error: error.join("\n") };
}

const files = {
  "package.json":
    '{ "name": "@acme/sample", "version": "1.0.0", "jobyard": { "jobs": [{ "jobType": "Run", "command": "sh", "args": ["-c", "true"] }] } }',
  "src/a.ts":
    'import { defineJob } from "jobyard/job";\nexport default defineJob({ jobType: "Compute", run() {} });\nexport const hidden = () => defineJob({ jobType: "B", run() {} });',
};

describe("jobyard pack", () => {
  it("writes the ZIP and prints its contents", async () => {
    await using source = await sourcePackage(files);
    const { code, out, error } = await jobyard("pack", source.path);
    expect(code).toBe(EXIT.done);
    expect(out).toMatch(
      /^sample 1\.0\.0 → .*dist\/sample\.zip\n {2}\d+ KiB in \d+ files, for any platform\n {2}sha256 [0-9a-f]{64}\n/,
    );
    expect(out).toContain("  job Compute  src/a.mjs\n  job Run      sh -c true");
    expect(error).toContain("Warning: src/a.ts:3:29: This job is declared but not exported");
    expect(existsSync(join(source.path, "dist/sample.zip"))).toBe(true);
  });

  it("writes to the given file and prints JSON", async () => {
    await using source = await sourcePackage(files);
    const file = join(source.path, "some/where/x.zip");
    const { code, out } = await jobyard(
      "pack",
      source.path,
      "--out",
      file,
      "--json",
      "--os",
      "darwin",
      "--arch",
      "arm64",
    );
    expect(code).toBe(EXIT.done);
    expect(existsSync(file)).toBe(true);
    expect(JSON.parse(out)).toMatchObject({
      file,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      manifest: { name: "sample", platform: "any" },
      warnings: [expect.any(String)],
    });
  });

  it("shows the next runs of its timers in their time zone", async () => {
    const timer = (name: string, options: string) =>
      `export const ${name} = scalableTimerJob({ ${options} }, () => {});`;
    await using source = await sourcePackage({
      "a.ts": `import { scalableTimerJob } from "jobyard/job";
        ${timer("newYear", 'cron: "0 30 8 1 1 *", timeZone: "Asia/Kolkata"')}
        ${timer("often", 'cron: "00:10:00"')}`,
    });
    const before = new Date();
    const { out } = await jobyard("pack", source.path);
    const year = before.getUTCFullYear();
    const lines = out.split("\n").slice(5);
    expect(lines).toHaveLength(4);
    expect(lines.slice(0, 3)).toEqual([
      "  timer newYear  0 30 8 1 1 *  Asia/Kolkata",
      `    next ${[1, 2, 3].map((more) => `${year + more}-01-01 08:30:00`).join(", ")}`,
      "  timer often  00:10:00  UTC",
    ]);
    const { timers } = JSON.parse((await jobyard("pack", source.path, "--json")).out) as {
      timers: { timerName: string; next: string[] }[];
    };
    expect(timers[0]).toEqual({
      timerName: "newYear",
      next: [1, 2, 3].map((more) => `${year + more}-01-01T03:00:00.000Z`),
    });
    const next = (timers[1]?.next ?? []).map((text) => Date.parse(text));
    expect(next).toHaveLength(3);
    expect(next[0]).toBeGreaterThan(before.getTime());
    expect(next.map((time) => time % 600_000)).toEqual([0, 0, 0]);
    expect(next.map((time) => time - (next[0] ?? 0))).toEqual([0, 600_000, 1_200_000]);
  });

  it("reports the problems of a package", async () => {
    await using source = await sourcePackage({
      "a.ts": 'import { defineJob } from "jobyard/job";\nexport default defineJob({ run() {} });',
    });
    expect(await jobyard("pack", source.path)).toEqual({
      code: EXIT.failed,
      out: "",
      error: "a.ts:2:26: This job has no jobType.",
    });
  });

  it("prints its usage", async () => {
    expect(await jobyard("pack")).toMatchObject({
      code: EXIT.usage,
      error: "error: missing required argument 'directory'",
    });
    expect(await jobyard("pack", ".", "--libc", "uclibc")).toMatchObject({
      code: EXIT.usage,
      error: expect.stringContaining("Allowed choices are glibc, musl") as string,
    });
    expect(await jobyard("nonsense")).toMatchObject({ code: EXIT.usage });
    expect(await jobyard("pack", "--help")).toMatchObject({
      code: EXIT.done,
      out: expect.stringContaining("--libc") as string,
    });
  });
});

describe("jobyard init --timer", () => {
  it("makes a package whose timer can be run once", async () => {
    await using place = await temporaryDirectory();
    const directory = join(place.path, "nightly-report");
    const tarball = join(place.path, "jobyard.tgz");
    await writeFile(tarball, "");
    expect(await jobyard("init", directory, "--timer", "--from", tarball)).toMatchObject({
      code: EXIT.done,
      out: expect.stringContaining("with the timer nightly-report") as string,
    });
    const before = Date.now();
    const { code, out, error } = await jobyard("run", directory, "--json", "--out", join(place.path, "out"));
    expect({ code, error }).toMatchObject({
      code: EXIT.done,
      error: expect.stringContaining("by manual, due at") as string,
    });
    const { output } = JSON.parse(out) as { output: { day: string; missedCount: number } };
    expect(output.missedCount).toBe(0);
    expect(Math.abs(Date.parse(output.day) - before)).toBeLessThan(2 * 86_400_000);
    expect(await readFile(join(place.path, "out", `${output.day}.txt`), "utf8")).toBe("missed before: 0\n");
  });

  it("does not overwrite files in the output folder, and copies no link", async () => {
    await using source = await sourcePackage({
      "package.json": JSON.stringify({
        name: "sample",
        jobyard: { files: ["leave.sh"], jobs: [{ jobType: "leave", command: "./leave.sh" }] },
      }),
      "leave.sh": `#!/bin/sh\ncd "$JOBYARD_OUTPUT_PATH"\nln -s /etc/passwd link\necho theirs > a.txt\n`,
    });
    const out = join(source.path, "out");
    expect((await jobyard("run", source.path, "--out", out)).code).toBe(EXIT.done);
    expect(await readdir(out)).toEqual(["a.txt"]);
    await writeFile(join(out, "a.txt"), "mine");
    expect((await jobyard("run", source.path, "--out", out)).code).toBe(EXIT.failed);
    expect(await readFile(join(out, "a.txt"), "utf8")).toBe("mine");
  });

  it("passes the same facts to a program that is a timer", async () => {
    await using source = await sourcePackage({
      "package.json": JSON.stringify({
        name: "sample",
        jobyard: {
          files: ["sweep.sh"],
          jobs: [{ jobType: "sweep", command: "./sweep.sh" }],
          timers: [{ timerName: "sweep", cron: "00:10:00" }],
        },
      }),
      "sweep.sh": `#!/bin/sh\nread -r text < "$JOBYARD_PARAMETERS_FILE"\necho "$text" > "$JOBYARD_RESULT_FILE"\n`,
    });
    const { out, code } = await jobyard("run", source.path, "--json");
    expect(code).toBe(EXIT.done);
    expect(JSON.parse(out)).toMatchObject({
      output: { trigger: "manual", scheduledAt: expect.stringMatching(/^20.*Z$/) as string, missedCount: 0 },
    });
  });

  it("fails a job with files that a worker would refuse, and copies the rest", async () => {
    await using place = await temporaryDirectory();
    await using source = await sourcePackage({
      "package.json": JSON.stringify({
        name: "sample",
        jobyard: { files: ["leave.sh"], jobs: [{ jobType: "Leave", command: "./leave.sh" }] },
      }),
      "leave.sh": `#!/bin/sh\ncd "$JOBYARD_OUTPUT_PATH" && /bin/mkdir in && echo kept > in/good && /bin/ln -s /etc link && echo x > 'a\\b'\n`,
    });
    const out = join(place.path, "out");
    const { code, error, ...printed } = await jobyard("run", source.path, "--json", "--out", out);
    expect(code).toBe(EXIT.jobsFailed);
    expect(JSON.parse(printed.out)).toMatchObject({ kind: "failed", code: "ArtifactRefused", retryable: false });
    expect(error).toContain(String.raw`Not kept: "a\b" has a name with a backslash.`);
    expect(error).toContain('Left out: "link" is a link.');
    expect(await readdir(out, { recursive: true })).toEqual(["in", "in/good"]);
    expect(await readFile(join(out, "in", "good"), "utf8")).toBe("kept\n");
  });
});

describe("nodeVersionProblem", () => {
  it("accepts versions that run TypeScript, and explains why others cannot be used", () => {
    expect(["22.18.0", "22.20.1", "24.0.0", "26.1.0"].map((version) => nodeVersionProblem(version))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    for (const version of ["20.20.2", "22.17.9", "18.0.0"])
      expect(nodeVersionProblem(version)).toContain(`this is Node ${version}`);
    expect(nodeVersionProblem()).toBeUndefined();
  });
});
