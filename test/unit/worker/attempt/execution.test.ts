import { execFileSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { chmod, chown, link, mkdir, readFile, rename, rm, rmdir, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InvariantError } from "../../../../runtime/core/errors.ts";
import {
  ARTIFACT_MAX_BYTES,
  ARTIFACT_MAX_COUNT,
  ARTIFACT_MAX_DEPTH,
  OUTPUT_ENTRIES_MAX_COUNT,
  OUTPUT_WALK_MAX_MS,
} from "../../../../runtime/core/limits.ts";
import type { ProcessResult } from "../../../../runtime/worker/process/spec.ts";
import type { Workspace } from "../../../../runtime/worker/process/files/workspace.ts";
import { type JobRunner, jobRunner } from "./job-runner.ts";
import { hasProgram } from "../../../support/processes/has-program.ts";
import { canBecomeOther } from "../../../support/processes/other-user.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../../support/temporary-directory.ts";

const OTHER_ID = 65_534;
const canMakeDevices = hasProgram("sh", "-c", "d=$(mktemp -d) && mknod $d/null c 1 3; c=$?; rm -r $d; exit $c");
const KEEPER = fileURLToPath(new URL("keep-artifacts.ts", import.meta.url));
const succeeded: ProcessResult = { kind: "succeeded", output: undefined };
const failed: ProcessResult = { kind: "failed", code: "JobFailed", message: "exit code 3", retryable: true };

let directory: TemporaryDirectory;
let run: JobRunner;
beforeEach(async () => {
  directory = await temporaryDirectory();
  run = jobRunner(directory.path);
});
afterEach(() => directory[Symbol.asyncDispose]());

/** A directory of the worker with a file that jobs must not see. */
async function privateDirectory(): Promise<string> {
  const path = join(directory.path, "private");
  await mkdir(path, { mode: 0o700 });
  await writeFile(join(path, "worker.env"), "secret");
  return path;
}

interface KeeperReport {
  readonly put: readonly string[];
  readonly count: number;
  readonly refusedCount: number;
  readonly notes: readonly string[];
}

const keptBy = (program: string, args: readonly string[]): KeeperReport =>
  JSON.parse(execFileSync(program, args, { cwd: "/" }).toString()) as KeeperReport;

const refusal = (text: string): unknown => ({
  ...{ kind: "failed", code: "ArtifactRefused", retryable: false },
  message: expect.stringContaining(text) as string,
});

describe("what a job left in its output folder", () => {
  it("output files are kept under their relative paths, also empty, large and oddly named ones", async () => {
    const large = Buffer.alloc(9 * 1024 * 1024, "abc");
    const name = "ü".repeat(127);
    const { execution, kept, contentOf, log } = await run(async ({ outputPath }) => {
      await mkdir(join(outputPath, "deep", "empty"), { recursive: true });
      await writeFile(join(outputPath, "deep", "large.bin"), large);
      await writeFile(join(outputPath, ".hidden"), "");
      await writeFile(join(outputPath, `${name}.`), "255 bytes");
      await writeFile(join(outputPath, "a b%41?#.txt"), "odd");
    });
    expect(execution).toMatchObject({ kind: "succeeded", artifactCount: 4, packageHash: "hash" });
    expect(kept.toSorted()).toEqual([".hidden", "a b%41?#.txt", "deep/large.bin", `${name}.`].toSorted());
    expect(await contentOf("deep/large.bin")).toBe(large.toString());
    expect(log).toBe("");
  });

  it.each<[string, (path: string, secret: string) => Promise<unknown>, string]>([
    ["replaced by a link to a private directory", async (path, secret) => symlink(secret, path), "is a link or a file"],
    ["replaced by a link to itself", (path) => symlink("output", path), "is a link or a file"],
    ["replaced by a file", (path) => writeFile(path, "x"), "is a link or a file"],
    ["replaced by a pipe", (path) => Promise.resolve(execFileSync("mkfifo", [path])), "is a link or a file"],
    ["removed", () => Promise.resolve(), "was removed"],
  ])("is refused and named when the folder itself was %s", { tags: "attack/trees" }, async (_, replace, why) => {
    const secret = await privateDirectory();
    for (const result of [succeeded, failed]) {
      const { execution, kept, log } = await run(
        async ({ outputPath }) => {
          await rmdir(outputPath);
          await replace(outputPath, secret);
        },
        { result },
      );
      expect(kept).toEqual([]);
      expect(log).toBe(`2026-03-01T09:00:00.000Z sys Not kept: the output folder ${log.split("folder ")[1]}`);
      expect(log).toContain(why);
      if (result === succeeded) expect(execution).toMatchObject(refusal(`the output folder ${why}`) as object);
      // The job's own failure stands, with its own word on another try.
      else
        expect(execution).toMatchObject({
          ...{ kind: "failed", code: "JobFailed", retryable: true },
          message: "exit code 3 Besides, not all of its files were kept: see its log.",
        });
    }
  });

  it("links, pipes and sockets are left out, and the log says so", { tags: "attack/trees" }, async () => {
    const secret = await privateDirectory();
    const server = createServer();
    const { execution, kept, log } = await run(async ({ outputPath }) => {
      await symlink(secret, join(outputPath, "folder"));
      await symlink(join(secret, "worker.env"), join(outputPath, "file"));
      await symlink("..", join(outputPath, "loop"));
      execFileSync("mkfifo", [join(outputPath, "pipe")]);
      await new Promise<void>((resolve) => server.listen(join(outputPath, "socket"), resolve));
      await writeFile(join(outputPath, "kept.txt"), "");
    });
    server.close();
    expect(execution).toMatchObject({ kind: "succeeded", artifactCount: 1 });
    expect(kept).toEqual(["kept.txt"]);
    for (const [name, what] of [
      ["folder", "link"],
      ["file", "link"],
      ["loop", "link"],
      ["pipe", "pipe"],
      ["socket", "socket"],
    ])
      expect(log).toContain(`sys Left out: "${name}" is a ${what}.\n`);
  });

  it.each<[string, Buffer, string, string]>([
    ["a line break", Buffer.from("a\nb"), String.raw`"a\u000ab"`, "control characters"],
    ["a tab", Buffer.from("a\tb"), String.raw`"a\u0009b"`, "control characters"],
    ["an escape sequence", Buffer.from("\x1b[2J"), String.raw`"\u001b[2J"`, "control characters"],
    ["a control character of C1", Buffer.from("a\u0085b"), String.raw`"a\u0085b"`, "control characters"],
    ["a backslash", Buffer.from("a\\b"), String.raw`"a\b"`, "a backslash"],
    ["bytes that are not UTF-8", Buffer.from("a\xff\xfe", "latin1"), String.raw`"a\xff\xfe"`, "not UTF-8"],
    ["half a surrogate pair", Buffer.from([0xed, 0xa0, 0x80]), String.raw`"\xed\xa0\x80"`, "not UTF-8"],
  ])("a file with %s in its name is left out and named", { tags: "attack/trees" }, async (_, name, shown, why) => {
    for (const result of [succeeded, failed]) {
      const { execution, kept, log } = await run(
        async ({ outputPath }) => {
          await writeFile(Buffer.concat([Buffer.from(`${outputPath}/`), name]), "x");
          await writeFile(join(outputPath, "kept.txt"), "");
        },
        { result },
      );
      expect(kept).toEqual(["kept.txt"]);
      expect(log.split("\n")).toHaveLength(2);
      expect(log).toContain(`sys Not kept: ${shown} has a name `);
      expect(log).toContain(why);
      if (result === succeeded) expect(execution).toMatchObject({ ...(refusal(shown) as object), artifactCount: 1 });
      else expect(execution).toMatchObject({ code: "JobFailed", retryable: true, artifactCount: 1 });
    }
  });

  it("files with paths that are too long or too deep are left out", { tags: "attack/trees" }, async () => {
    const { execution, kept, log } = await run(async ({ outputPath }) => {
      const long = join(outputPath, ...Array.from({ length: 4 }, () => "x".repeat(200)));
      await mkdir(long, { recursive: true });
      await writeFile(join(long, "y".repeat(200)), "");
      const deep = join(outputPath, ...Array.from({ length: ARTIFACT_MAX_DEPTH }, () => "d"));
      await mkdir(deep, { recursive: true });
      await writeFile(join(deep, "bottom"), "");
      await writeFile(join(deep, "..", "kept.txt"), "");
    });
    expect(execution).toMatchObject({ kind: "failed", code: "ArtifactRefused", artifactCount: 1 });
    expect(execution).toHaveProperty("message", expect.stringMatching(/ And 1 more\.$/));
    expect(kept).toHaveLength(1);
    expect(log).toContain("has a path of more than 800 characters");
    expect(log).toContain(`is more than ${ARTIFACT_MAX_DEPTH} folders deep`);
  });

  it("the log names the first twenty refused files and counts the others", { tags: "attack/trees" }, async () => {
    const { execution, log } = await run(async ({ outputPath }) => {
      for (let n = 0; n < 50; n++) await writeFile(join(outputPath, `bad\n${n}`), "");
    });
    expect(execution).toHaveProperty("message", expect.stringMatching(/ And 49 more\.$/));
    expect(log.split("\n")).toHaveLength(22);
    expect(log).toContain("sys Not kept: 30 more.");
  });

  it("a second name of another file is refused", { tags: "attack/trees" }, async () => {
    const secret = await privateDirectory();
    const { execution, kept } = await run(({ outputPath }) =>
      link(join(secret, "worker.env"), join(outputPath, "stolen")),
    );
    expect(execution).toMatchObject(refusal('"stolen" has further names (hard links).') as object);
    expect(kept).toEqual([]);
  });

  it.each<[string, (outputPath: string) => unknown, string]>([
    [
      "10,000 files",
      (path) => {
        for (let n = 0; n < 10_000; n++) writeFileSync(join(path, String(n)), "");
      },
      `more than ${ARTIFACT_MAX_COUNT} artifacts`,
    ],
    [
      "links without end",
      (path) => {
        for (let n = 0; n <= OUTPUT_ENTRIES_MAX_COUNT; n++) symlinkSync("nowhere", join(path, String(n)));
      },
      `more than ${OUTPUT_ENTRIES_MAX_COUNT} entries`,
    ],
    [
      "a terabyte without content",
      async (path) => {
        await writeFile(join(path, "sparse"), "");
        await truncate(join(path, "sparse"), 2 ** 40);
      },
      `Artifact "sparse" has ${2 ** 40} bytes`,
    ],
    [
      "files beyond the limit together",
      async (path) => {
        for (let n = 0; n < 5; n++) {
          await writeFile(join(path, String(n)), "");
          await truncate(join(path, String(n)), ARTIFACT_MAX_BYTES);
        }
      },
      "bytes together",
    ],
  ])(
    "fails the job for good when it is %s, and nothing of it is kept",
    { tags: "attack/trees" },
    async (_, leave, why) => {
      const { execution, kept, log } = await run(({ outputPath }) => Promise.resolve(leave(outputPath)));
      expect(execution).toMatchObject({
        kind: "failed",
        code: "ArtifactsTooLarge",
        retryable: false,
        artifactCount: 0,
      });
      expect(execution).toHaveProperty("message", expect.stringContaining(why));
      expect(kept).toEqual([]);
      expect(log).toContain("sys ArtifactsTooLarge: ");
    },
  );

  it("the walk is given up when it takes too long", { tags: "attack/trees" }, async () => {
    let clock = 0;
    const monotonicNow = (): number => (clock += OUTPUT_WALK_MAX_MS);
    const { execution } = await run(({ outputPath }) => mkdir(join(outputPath, "a", "b"), { recursive: true }), {
      deps: { monotonicNow },
    });
    expect(execution).toMatchObject({ kind: "failed", code: "ArtifactsTooLarge" });
  });

  it(
    "a file is sent as it was opened, although its name leads elsewhere by then",
    { tags: "attack/trees" },
    async () => {
      const secret = await privateDirectory();
      let outputPath = "";
      const { execution, contentOf } = await run(
        async (workspace) => {
          ({ outputPath } = workspace);
          await mkdir(join(outputPath, "folder"));
          await writeFile(join(outputPath, "folder", "worker.env"), "the job's");
        },
        {
          putArtifact: (files) => async (jobId, claimId, path, content, signal) => {
            await rename(join(outputPath, "folder"), join(outputPath, "away"));
            await symlink(secret, join(outputPath, "folder"));
            await files.putArtifact(jobId, claimId, path, content, signal);
            await files.putArtifact(jobId, claimId, path, content, signal);
          },
        },
      );
      expect(execution).toMatchObject({ kind: "succeeded", artifactCount: 1 });
      expect(await contentOf("folder/worker.env")).toBe("the job's");
    },
  );

  it("a file that grows while it is sent is kept as large as it was", { tags: "attack/trees" }, async () => {
    let path = "";
    const leave = ({ outputPath }: Workspace) => writeFile((path = join(outputPath, "grows")), "content");
    const { execution, contentOf } = await run(leave, {
      putArtifact:
        (files) =>
        async (...put) => {
          await writeFile(path, "x".repeat(1_000_000), { flag: "a" });
          await files.putArtifact(...put);
        },
    });
    expect(execution).toMatchObject({ kind: "succeeded", artifactCount: 1 });
    expect(await contentOf("grows")).toBe("content");
  });

  it(
    "files are kept whatever their mode, also with names that look like options",
    { tags: "attack/trees" },
    async () => {
      const { execution, kept } = await run(async ({ outputPath }) => {
        for (const mode of [0o4755, 0o2777, 0o1666, 0o400]) {
          const path = join(outputPath, `-rf --mode=${mode.toString(8)}`);
          await writeFile(path, "x");
          await chmod(path, mode);
        }
      });
      expect(execution).toMatchObject({ kind: "succeeded", artifactCount: 4 });
      expect(kept).toHaveLength(4);
    },
  );

  it.skipIf(!canMakeDevices)("devices are left out (needs root)", { tags: "attack/trees" }, async () => {
    const { execution, kept, log } = await run(({ outputPath }) => {
      execFileSync("mknod", [join(outputPath, "null"), "c", "1", "3"]);
      execFileSync("mknod", [join(outputPath, "disk"), "b", "7", "0"]);
      return Promise.resolve();
    });
    expect(execution).toMatchObject({ kind: "succeeded", artifactCount: 0 });
    expect(kept).toEqual([]);
    for (const name of ["null", "disk"]) expect(log).toContain(`sys Left out: "${name}" is a device.`);
  });

  it("a file that becomes shorter while it is sent is refused", { tags: "attack/trees" }, async () => {
    let outputPath = "";
    const { execution, kept, log } = await run(
      async (workspace) => {
        ({ outputPath } = workspace);
        for (const name of ["cut", "removed"]) await writeFile(join(outputPath, name), "content");
      },
      {
        putArtifact:
          (files) =>
          async (...[jobId, claimId, path, ...rest]) => {
            if (path === "cut") await truncate(join(outputPath, path), 3);
            else await rm(join(outputPath, path));
            await files.putArtifact(jobId, claimId, path, ...rest);
          },
      },
    );
    expect(execution).toMatchObject({ kind: "failed", code: "ArtifactRefused", artifactCount: 1 });
    expect(kept).toEqual(["removed"]);
    expect(log).toContain('sys Not kept: "cut" ');
  });

  it("a file that storage does not accept is refused", { tags: "attack/trees" }, async () => {
    const refused = new InvariantError("Storage refused a request.", { cause: new Error("InvalidUri") });
    const { execution } = await run(({ outputPath }) => writeFile(join(outputPath, "a"), ""), {
      putArtifact: () => () => Promise.reject(refused),
    });
    expect(execution).toMatchObject(refusal('"a" is not taken by storage.') as object);
  });

  it.skipIf(!canBecomeOther(KEEPER, process.execPath))(
    "files that the worker may not read are left out (needs root, to be another)",
    { tags: "attack/trees" },
    async () => {
      const output = join(directory.path, "output");
      await mkdir(join(output, "closed"), { recursive: true });
      for (const path of ["open.txt", "closed/inside.txt", "secret.txt", "folder-without-files"]) {
        await writeFile(join(output, path), "x");
      }
      for (const path of [".", "closed", "open.txt", "secret.txt"]) await chown(join(output, path), OTHER_ID, OTHER_ID);
      await chmod(join(output, "closed"), 0);
      await chmod(join(output, "secret.txt"), 0);
      await chmod(directory.path, 0o711);
      const args = ["--reuid", String(OTHER_ID), "--clear-groups", "--", process.execPath, KEEPER, output];
      const { put, notes, ...report } = keptBy("setpriv", args);
      expect(put).toEqual(["open.txt"]);
      expect(report).toMatchObject({ count: 1, refusedCount: 3 });
      expect(notes.toSorted()).toEqual([
        'Not kept: "closed" may not be read.',
        'Not kept: "folder-without-files" belongs to another user.',
        'Not kept: "secret.txt" may not be read.',
      ]);
    },
  );
});

describe.skipIf(!canBecomeOther(KEEPER))("an owner (needs root)", { tags: "attack/trees" }, () => {
  it("only files of the job's own user are kept", async () => {
    const output = join(directory.path, "output");
    await mkdir(join(output, "theirs"), { recursive: true });
    for (const path of ["own.txt", "foreign.txt", "theirs/own.txt"]) await writeFile(join(output, path), "x");
    for (const path of [".", "own.txt", "theirs/own.txt"]) await chown(join(output, path), OTHER_ID, OTHER_ID);
    const { put, notes } = keptBy(process.execPath, [KEEPER, output, String(OTHER_ID)]);
    expect(put).toEqual(["own.txt"]);
    expect(notes.toSorted()).toEqual([
      'Not kept: "foreign.txt" belongs to another user.',
      'Not kept: "theirs" belongs to another user.',
    ]);
    await chown(output, 0, 0);
    const whole = keptBy(process.execPath, [KEEPER, output, String(OTHER_ID)]);
    expect(whole.notes).toEqual(["Not kept: the output folder belongs to another user."]);
  });

  it("the owner of a file is checked on what was opened", async () => {
    const unit = await readFile(
      join(import.meta.dirname, "../../../../infra/cloud-init/jobyard-worker.service"),
      "utf8",
    );
    const capabilities = /^AmbientCapabilities=(.*)$/m.exec(unit)?.[1] ?? "";
    const rights = capabilities.toLowerCase().replaceAll("cap_", "+").replaceAll(" ", ",");
    const service = [
      ...["--reuid", "61234", "--regid", "61234", "--clear-groups", "--no-new-privs"],
      ...[`--inh-caps=-all,${rights}`, `--ambient-caps=-all,${rights}`, `--bounding-set=-all,${rights}`, "--"],
    ];
    const secret = await privateDirectory();
    const output = join(directory.path, "output");
    await mkdir(output, { mode: 0o700 });
    await writeFile(join(output, "own.txt"), "x", { mode: 0 });
    await symlink(join(secret, "worker.env"), join(output, "link"));
    await link(join(secret, "worker.env"), join(output, "second-name"));
    for (const path of [".", "own.txt"]) await chown(join(output, path), OTHER_ID, OTHER_ID);
    const keep = (): KeeperReport =>
      keptBy("setpriv", [...service, process.execPath, KEEPER, output, String(OTHER_ID)]);
    const { put, notes } = keep();
    expect(put).toEqual(["own.txt"]);
    expect(notes.toSorted()).toEqual([
      'Left out: "link" is a link.',
      'Not kept: "second-name" belongs to another user.',
    ]);
    await rename(output, join(directory.path, "away"));
    await symlink(secret, output);
    expect(keep()).toMatchObject({
      put: [],
      notes: ["Not kept: the output folder is a link or a file, and no folder."],
    });
  });
});
