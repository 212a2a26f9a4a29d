import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PackageError } from "../../../../runtime/core/errors.ts";
import type { ProcessResult } from "../../../../runtime/worker/process/spec.ts";
import { type JobRunner, jobRunner } from "./job-runner.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../../support/temporary-directory.ts";

const failed: ProcessResult = { kind: "failed", code: "JobFailed", message: "exit code 3", retryable: true };

let directory: TemporaryDirectory;
let run: JobRunner;
beforeEach(async () => {
  directory = await temporaryDirectory();
  run = jobRunner(directory.path);
});
afterEach(() => directory[Symbol.asyncDispose]());

describe("a fault of the machine", () => {
  const fault = (code: string): Error => Object.assign(new Error(`${code}: /var/lib/jobyard/secret-path`), { code });

  it.each(["ENOSPC", "EMFILE", "ENFILE", "EIO", "ENOMEM"])(
    "a fault of the machine interrupts the attempt and is recorded: %s",
    async (code) => {
      const { execution, log } = await run(({ outputPath }) => writeFile(join(outputPath, "a"), ""), {
        putArtifact: () => () => Promise.reject(fault(code)),
      });
      expect(execution).toMatchObject({ kind: "interrupted", because: "fault", fault: { code } });
      expect(log).toContain(`(${code})`);
      expect(log).not.toContain("secret-path");
    },
  );

  it("a disk too full for the package interrupts the attempt", async () => {
    const { execution, log } = await run(() => Promise.resolve(), {
      deps: { packages: { acquire: () => Promise.reject(fault("ENOSPC")) } },
    });
    const told = { code: "ENOSPC", message: "The disk of its worker was full (ENOSPC)." };
    expect(execution).toMatchObject({ kind: "interrupted", because: "fault", fault: told });
    expect(log).toBe(`2026-03-01T09:00:00.000Z sys Interrupted: ${told.message}\n`);
  });

  it("a fault of the machine after a failure leaves the job failed", async () => {
    const { execution, log } = await run(({ outputPath }) => writeFile(join(outputPath, "a"), ""), {
      result: failed,
      putArtifact: () => () => Promise.reject(fault("EIO")),
    });
    expect(execution).toMatchObject({ kind: "failed", code: "JobFailed", message: "exit code 3", artifactCount: 0 });
    expect(log).toContain("sys The files of the job were not kept: The disk of its worker failed (EIO).");
  });

  it("a fault of the machine differs from an error of the package", async () => {
    const problem = new PackageError("PackageCorrupt", "It cannot be read.");
    const { execution } = await run(() => Promise.resolve(), {
      deps: { packages: { acquire: () => Promise.reject(problem) } },
    });
    expect(execution).toMatchObject({ kind: "failed", code: "PackageCorrupt", message: "It cannot be read." });
  });

  it("a process that could not start interrupts the attempt with the reason", async () => {
    const told = { code: "ProcessNotStarted", message: "no room" };
    const { execution } = await run(() => Promise.resolve(), { result: { kind: "not-started", ...told } });
    expect(execution).toMatchObject({ kind: "interrupted", because: "fault", fault: told });
  });
});
