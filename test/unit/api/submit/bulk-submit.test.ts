import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { LOCAL_CALLER } from "../../../../runtime/api/auth/caller.ts";
import { createBulkSubmit } from "../../../../runtime/api/submit/bulk-submit.ts";
import { done } from "../../../../runtime/api/submit/submit-many.ts";
import { SUBMIT_LINES_WAITING_MAX_COUNT, SUBMIT_MAX_JOBS } from "../../../../runtime/core/limits.ts";
import { jobRequestOf } from "../../../support/api/submit-requests.ts";

const bulk = { caller: LOCAL_CALLER, batchId: undefined, idempotencyKey: undefined };
const MiB = 1024 * 1024;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What is in use: garbage would say more about the other tests of this process. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
const JOBS_PER_LOOK = 2_500;

/** As many jobs of 20 kB as a request may hold, made while they are read; says how many have been. */
function createBody() {
  const line = Buffer.from(`${JSON.stringify(jobRequestOf("acme", { parameters: "x".repeat(20_000) }))}\n`);
  const body = {
    read: 0,
    async *lines(): AsyncGenerator<Uint8Array> {
      for (; body.read < SUBMIT_MAX_JOBS; body.read++) yield await Promise.resolve(Uint8Array.from(line));
    },
  };
  return body;
}

describe("submitting lines", () => {
  it("takes no more memory for ten thousand jobs than for a few hundred", async () => {
    const body = createBody();
    const before = heldBytes();
    let most = before;
    let submitted = 0;
    let looks = 0;
    const bulkSubmit = createBulkSubmit((_caller, requests) => {
      submitted += requests.length;
      if (submitted > looks * JOBS_PER_LOOK) {
        looks++;
        most = Math.max(most, heldBytes());
      }
      return Promise.resolve(requests.map(() => done({ jobId: "j", batchId: "b", replayed: false })));
    });
    let answered = 0;
    for await (const results of bulkSubmit.submitLines(bulk, body.lines())) answered += results.length;
    expect(answered).toBe(SUBMIT_MAX_JOBS);
    expect(looks).toBe(SUBMIT_MAX_JOBS / JOBS_PER_LOOK);
    // 200 MB have passed.
    expect(most - before).toBeLessThan(50 * MiB);
  });

  it("reads ahead only so far while those before are being written", async () => {
    const body = createBody();
    let open = (): void => undefined;
    let first = 0;
    const bulkSubmit = createBulkSubmit(async (_caller, requests) => {
      first = requests.length;
      await new Promise<void>((resolve) => (open = resolve));
      return requests.map(() => done({ jobId: "j", batchId: "b", replayed: false }));
    });
    const lines = bulkSubmit.submitLines(bulk, body.lines());
    const next = lines.next();
    for (let before = -1; before !== body.read;) {
      before = body.read;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(first).toBeGreaterThan(0);
    expect(body.read).toBeLessThanOrEqual(first + SUBMIT_LINES_WAITING_MAX_COUNT);
    open();
    expect((await next).value).toHaveLength(first);
  });
});
