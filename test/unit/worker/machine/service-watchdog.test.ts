import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { feedServiceWatchdog } from "../../../../runtime/worker/machine/health.ts";
import { eventually } from "../../../support/eventually.ts";
import { silentLog } from "../../../support/silent.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

it("the service watchdog gets signs of life while the worker is alive", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "signs");
  await using file = await open(path, "a");
  const count = async (): Promise<number> => (await readFile(path)).length;
  let asked = 0;
  const stop = feedServiceWatchdog({
    settings: { descriptor: file.fd, watchdogMs: 3 },
    isAlive: () => ++asked <= 5,
    log: silentLog,
  });
  await eventually(() => expect(asked).toBeGreaterThan(10));
  stop();
  expect(await count()).toBe(5);
});
