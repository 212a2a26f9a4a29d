import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CommandEntry } from "../../../../runtime/core/package/manifest.ts";
import { OUTPUT_MAX_BYTES } from "../../../../runtime/core/limits.ts";
import type { ProcessResult } from "../../../../runtime/worker/process/spec.ts";
import { eventuallyTrue } from "../../../support/eventually.ts";
import { hasProgram } from "../../../support/processes/has-program.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";
import { type Attempt, FACTS, type Lab, createLab, isAlive, markedProcesses } from "./lab.ts";

let lab: Lab;
beforeEach(async () => {
  lab = await createLab();
});
afterEach(() => lab.close());

const TOOL: CommandEntry = { kind: "command", command: "./tool.sh" };

/** Starts a shell script that lies in the package. */
const script = (body: string, changes: Parameters<Lab["start"]>[1] = {}, first = "#!/bin/sh"): Promise<Attempt> =>
  lab.start({ "tool.sh": `${first}\n${body}\n` }, { entry: TOOL, ...changes });

const resultOf = async (...start: Parameters<typeof script>): Promise<ProcessResult> => (await script(...start)).result;

describe("a command", () => {
  it("a command has its parameters in a file and everything else in its environment", async () => {
    const attempt = await script(`
      cp "$JOBYARD_PARAMETERS_FILE" "$JOBYARD_RESULT_FILE"
      echo artifact > "$JOBYARD_OUTPUT_PATH/a.txt"
      echo "pwd=$(pwd) home=$HOME tmp=$TMPDIR work=$JOBYARD_WORKING_PATH package=$JOBYARD_PACKAGE_PATH"
      echo "$JOBYARD_JOB_ID/$JOBYARD_BATCH_ID/$JOBYARD_TENANT_NAME/$JOBYARD_JOB_NAME/$JOBYARD_JOB_TYPE"
      echo "$JOBYARD_PACKAGE_NAME/$JOBYARD_ATTEMPT/$JOBYARD_INTERRUPTION/$JOBYARD_CLAIM_ID/$JOBYARD_WORKER_ID"`);
    expect(await attempt.result).toEqual({ kind: "succeeded", output: FACTS.parameters });
    const { workspace, packagePath } = attempt.spec;
    const { workingPath, temporaryPath } = workspace;
    expect(attempt.log()).toContain(
      `pwd=${workingPath} home=${workingPath} tmp=${temporaryPath} work=${workingPath} package=${packagePath}`,
    );
    expect(attempt.log()).toContain("demo.b1.0.j1/demo.b1/demo/a job/Sample\n");
    expect(attempt.log()).toContain("sample/2/1/0b0c/worker-1\n");
  });

  it("a command without a file in the package is a program of the worker", async () => {
    const entry: CommandEntry = {
      kind: "command",
      command: "sh",
      args: ["{packagePath}/main.sh", "{workingPath}", "{outputPath}", "{parametersFile}", "{resultFile}", "{else} x"],
    };
    const attempt = await lab.start({ "main.sh": `for a in "$@"; do echo "arg:$a"; done` }, { entry });
    expect(await attempt.result).toEqual({ kind: "succeeded", output: undefined });
    const { workingPath, outputPath, parametersFile, resultFile } = attempt.spec.workspace;
    for (const argument of [workingPath, outputPath, parametersFile, resultFile, "{else} x"]) {
      expect(attempt.log()).toContain(`arg:${argument}\n`);
    }
  });

  it("a file of the package comes before a program of the worker", async () => {
    const entry: CommandEntry = { kind: "command", command: "sh" };
    const attempt = await lab.start({ sh: "#!/bin/sh\necho mine" }, { entry });
    await attempt.result;
    expect(attempt.log()).toContain("out mine");
  });

  it("a command reports progress by lines on stdout, which stay in the log", async () => {
    // Each of them is told before the next comes: only the last of several within a moment would be.
    const attempt = await script(`
      told() { until [ -e "$JOBYARD_OUTPUT_PATH/told-$1" ]; do sleep 0.02; done; }
      echo "::progress 0.25 Reading"; told 1
      echo "Progress: 50% Writing"; told 2
      echo "::progressive rock"
      echo "Progress: nearly done" >&2
      echo "::progress Tidying up"`);
    for (const count of [1, 2]) {
      await eventuallyTrue(() => attempt.progress.length === count);
      await writeFile(join(attempt.spec.workspace.outputPath, `told-${count}`), "");
    }
    await attempt.result;
    expect(attempt.progress).toEqual([
      { fraction: 0.25, text: "Reading" },
      { fraction: 0.5, text: "Writing" },
      { text: "Tidying up" },
    ]);
    expect(attempt.log()).toContain("out ::progress 0.25 Reading");
  });
});

describe("how a command ends", () => {
  it("a failed command has its exit code and its last line of stderr", async () => {
    expect(await resultOf("echo first >&2; echo 'no such ledger' >&2; echo >&2; exit 3")).toEqual({
      kind: "failed",
      code: "JobFailed",
      message: "The command ended with exit code 3: no such ledger",
      retryable: true,
    });
  });

  it("exit code 65 is not retried", async () => {
    expect(await resultOf("exit 65")).toEqual({
      kind: "failed",
      code: "JobFailed",
      message: "The command ended with exit code 65.",
      retryable: false,
    });
  });

  it("a command that ends by a signal has crashed", async () => {
    expect(await resultOf("kill -9 $$")).toMatchObject({ kind: "failed", code: "JobCrashed", retryable: true });
  });

  it("a command times out, whatever it does about SIGTERM", async () => {
    const options = { timeoutMs: 300, graceMs: 100 };
    expect(await resultOf("sleep 60", options)).toMatchObject({ code: "JobTimedOut" });
    expect(await resultOf("trap '' TERM; while :; do :; done", options)).toMatchObject({ code: "JobTimedOut" });
    expect(await resultOf("trap 'exit 0' TERM; while :; do :; done", options)).toMatchObject({ code: "JobTimedOut" });
  });

  it("a command leaves no process, not even a detached one", async () => {
    const leave = 'require("node:child_process").spawn("sleep", ["600"], { detached: true, stdio: "ignore" }).unref()';
    const attempt = await script(`"${process.execPath}" -e '${leave}'; sleep 600 & echo $!`);
    expect(await attempt.result).toMatchObject({ kind: "succeeded" });
    expect(markedProcesses(lab.root)).toEqual([]);
    expect(attempt.log()).toContain("sys 2 processes that the job had left running were ended");
  });
});

describe("a command's result file", () => {
  it.each([
    ["that is not JSON", "echo '{' > $JOBYARD_RESULT_FILE", "JobFailed"],
    ["that is too large", `head -c ${OUTPUT_MAX_BYTES + 1} /dev/zero > $JOBYARD_RESULT_FILE`, "OutputTooLarge"],
    ["that is a link", "ln -s /etc/hostname $JOBYARD_RESULT_FILE", "JobFailed"],
    ["that is a pipe nobody writes to", "mkfifo $JOBYARD_RESULT_FILE", "JobFailed"],
    ["that is a link to itself", "ln -s $JOBYARD_RESULT_FILE $JOBYARD_RESULT_FILE", "JobFailed"],
    ["that has a second name", "echo 1 > secret; ln secret $JOBYARD_RESULT_FILE", "JobFailed"],
    ["whose directory is a link", "cd ..; mv result r; ln -s r result; echo 1 > result/result.json", "JobFailed"],
    ["whose directory is a file", "cd ..; rmdir result; echo 1 > result", "JobFailed"],
    ["of a terabyte without content", "truncate -s 1T $JOBYARD_RESULT_FILE", "OutputTooLarge"],
    ["that is a directory", "mkdir $JOBYARD_RESULT_FILE", "JobFailed"],
  ])("a result file %s fails the job for good", async (_, body, code) => {
    expect(await resultOf(body)).toMatchObject({ kind: "failed", code, retryable: false });
  });

  it("a result file whose directory is gone counts as none", async () => {
    expect(await resultOf("rmdir ../result")).toEqual({ kind: "succeeded", output: undefined });
  });

  it.each([
    ["that is empty", "touch $JOBYARD_RESULT_FILE", "is empty."],
    ["of blank lines", "printf '\\n \\n' > $JOBYARD_RESULT_FILE", "is empty."],
    ["of a byte order mark", "printf '\\357\\273\\277' > $JOBYARD_RESULT_FILE", "is empty."],
    ["in Latin-1", "printf '\"f\\374r\"' > $JOBYARD_RESULT_FILE", "is not UTF-8; save it as UTF-8."],
    ["in UTF-16", "printf '\\377\\3761\\0' > $JOBYARD_RESULT_FILE", "is UTF-16; save it as UTF-8."],
    [
      "with a number that would change",
      `echo '{"n":9223372036854775807}' > $JOBYARD_RESULT_FILE`,
      "holds n: 9223372036854775807 would arrive as 9223372036854776000; send it as text.",
    ],
  ])("a result file %s fails the job for good and the failure says so", async (_, body, message) => {
    expect(await resultOf(body)).toEqual({
      ...{ kind: "failed", code: "JobFailed", retryable: false },
      message: `The result file ${message}`,
    });
  });

  it("a result file may begin with a byte order mark", async () => {
    const body = `printf '\\357\\273\\277{"a":"f\\303\\274r"}\\r\\n' > $JOBYARD_RESULT_FILE`;
    expect(await resultOf(body)).toEqual({ kind: "succeeded", output: '{"a":"für"}' });
  });
});

describe("cancel of a command", () => {
  const started = async (body: string, changes: Parameters<typeof script>[1] = {}): Promise<Attempt> => {
    const attempt = await script(body, changes);
    await attempt.logged("started");
    return attempt;
  };

  it("cancel of a command sends SIGTERM to its whole group", async () => {
    const attempt = await started("echo started; sleep 600; echo not reached");
    attempt.process.cancel("cancel");
    expect(await attempt.result).toEqual({ kind: "canceled", reason: "cancel", forced: false });
  });

  it("a canceled command that exits with 0 succeeds only with a result", async () => {
    const loop = "echo started; while :; do sleep 0.01; done";
    const without = await started(`trap 'exit 0' TERM; ${loop}`);
    without.process.cancel("drain");
    expect(await without.result).toEqual({ kind: "canceled", reason: "drain", forced: false });
    const finished = await started(`trap 'echo 1 > $JOBYARD_RESULT_FILE; exit 0' TERM; ${loop}`);
    finished.process.cancel("cancel");
    expect(await finished.result).toEqual({ kind: "succeeded", output: "1" });
  });

  it("cancel of a command sends SIGKILL after the grace period", async () => {
    const attempt = await started("trap '' TERM; echo started; while :; do sleep 0.01; done", { graceMs: 300 });
    const { pid } = attempt.process;
    attempt.process.cancel("cancel");
    expect(await attempt.result).toEqual({ kind: "canceled", reason: "cancel", forced: true });
    expect(isAlive(pid!)).toBe(false);
  });

  it("cancel before the start keeps the command from starting", async () => {
    const attempt = await script("echo started");
    attempt.process.cancel("cancel");
    expect(await attempt.result).toMatchObject({ kind: "canceled" });
    expect(attempt.log()).not.toContain("started");
  });
});

describe("a command that cannot be started", () => {
  it.each([
    ["is not in the package", "./other.sh", "has no file"],
    ["is a directory", "./directory", '"./directory" is a directory'],
    ["is not executable", "./data.txt", "not executable"],
    ["is nowhere on the PATH", "no-such-program-here", "has no program"],
    ["needs an interpreter that is not here", "./perl6.sh", "needs /opt/perl6"],
    ["needs a program by name that is not here", "./ruby9.sh", "needs ruby9"],
    ["needs a program by name, with options, that is not here", "./ruby9s.sh", "needs ruby9"],
    ["has Windows line ends", "./crlf.sh", '"./crlf.sh" has Windows line ends (CRLF), so its #! line names no'],
    ["has Windows line ends after an option", "./crlf-option.sh", "has Windows line ends (CRLF)"],
    ["has Windows line ends after a program's name", "./crlf-env.sh", "has Windows line ends (CRLF)"],
    ["has a directory as its interpreter", "./directory.sh", "needs /etc, which"],
    ["names no interpreter", "./nobody.sh", "names no interpreter after #!"],
    ["names its interpreter by a relative path", "./relative.sh", "names its interpreter bin/sh by a relative path"],
  ])("a command that %s is not retried", async (_, command, message) => {
    const files = {
      "data.txt": "",
      "perl6.sh": "#!/opt/perl6 -w\n",
      "ruby9.sh": "#!/usr/bin/env ruby9\n",
      "ruby9s.sh": "#!/usr/bin/env -S A=1 ruby9 -w\n",
      "crlf.sh": "#!/bin/sh\r\necho\r\n",
      "crlf-option.sh": "#!/bin/sh -e\r\n",
      "crlf-env.sh": "#!/usr/bin/env python3\r\n",
      "directory.sh": "#!/etc\n",
      "nobody.sh": "#! \n",
      "relative.sh": "#!bin/sh\n",
      "directory/x": "",
    };
    const attempt = await lab.start(files, { entry: { kind: "command", command } });
    const result = await attempt.result;
    expect(result).toMatchObject({ kind: "failed", code: "EntryPointInvalid", retryable: false });
    expect(result).toHaveProperty("message", expect.stringContaining(message));
  });
});

describe("a program that only the kernel refuses", () => {
  it.skipIf(!hasProgram("setpriv", "--version"))(
    "a program that the kernel refuses is an invalid entry point",
    async () => {
      await using directory = await temporaryDirectory();
      const inner = join(directory.path, "inner");
      await writeFile(inner, "#!/nowhere/interpreter\n", { mode: 0o755 });
      const result = await resultOf("", {}, `#!${inner}`);
      expect(result).toMatchObject({ kind: "failed", code: "EntryPointInvalid", retryable: false });
      expect(result).toHaveProperty(
        "message",
        expect.stringMatching(/^"\.\/tool\.sh" cannot be started on this worker: No/),
      );
      expect(result).toHaveProperty("message", expect.not.stringContaining("setpriv"));
    },
  );

  it("a program that prints the same error itself is no invalid entry point", async () => {
    const own = "echo 'setpriv: bad: option' >&2; exit 127";
    expect(await resultOf(`echo started; ${own}`)).toMatchObject({ code: "JobFailed", retryable: true });
  });
});
