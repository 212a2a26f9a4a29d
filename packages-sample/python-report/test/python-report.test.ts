/** Runs the tests in Python, so that `npm test` covers them. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

const hasPython = spawnSync("python3", ["-c", "import unittest"]).status === 0;

it.skipIf(!hasPython)("python-report passes its tests in Python (needs python3)", () => {
  const { status, stderr } = spawnSync("python3", ["-B", "-m", "unittest", "discover", "--buffer", "test"], {
    cwd: join(import.meta.dirname, ".."),
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  // Without tests it exits with 0, too.
  expect(Number(/^Ran (\d+) tests/m.exec(stderr)?.[1])).toBeGreaterThan(10);
});
