import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";
import { jobRunner } from "./job-runner.ts";

describe("a job that shares a process", () => {
  it("runs in directories of its own after three interruptions only", async () => {
    await using directory = await temporaryDirectory();
    const run = jobRunner(directory.path);
    let madeCount = 0;
    const made = (): Promise<number> => Promise.resolve(++madeCount);
    for (const interruptions of [0, 2, 3]) {
      const { execution } = await run(made, { isolation: "reuse", interruptions });
      expect(execution).toMatchObject({ kind: "succeeded", artifactCount: 0 });
      expect(madeCount).toBe(interruptions === 3 ? 1 : 0);
    }
  });
});
