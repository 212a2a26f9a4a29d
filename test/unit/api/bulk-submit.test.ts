import { describe, expect, it } from "vitest";
import { LOCAL_CALLER } from "../../../runtime/api/caller.ts";
import { createBulkSubmit } from "../../../runtime/api/bulk-submit.ts";
import { done } from "../../../runtime/api/outcome.ts";
import { SUBMIT_LINES_WAITING_MAX_COUNT, SUBMIT_MAX_JOBS } from "../../../runtime/core/limits.ts";
import { jobRequestOf } from "../../support/submit-requests.ts";

const bulk = { caller: LOCAL_CALLER, batchId: undefined, idempotencyKey: undefined };
const MiB = 1024 * 1024;

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
    let most = 0;
    const bulkSubmit = createBulkSubmit({
      submit: (_caller, requests) => {
        const { heapUsed, arrayBuffers } = process.memoryUsage();
        most = Math.max(most, heapUsed + arrayBuffers);
        return Promise.resolve(requests.map(() => done({ jobId: "j", batchId: "b", replayed: false })));
      },
    });
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    let answered = 0;
    for await (const results of bulkSubmit.submitLines(bulk, body.lines())) answered += results.length;
    expect(answered).toBe(SUBMIT_MAX_JOBS);
    // 200 MB have passed.
    expect(most - heapUsed - arrayBuffers).toBeLessThan(100 * MiB);
  });

  it("reads ahead only so far while those before are being written", async () => {
    const body = createBody();
    let open = (): void => undefined;
    let first = 0;
    const bulkSubmit = createBulkSubmit({
      submit: async (_caller, requests) => {
        first = requests.length;
        await new Promise<void>((resolve) => (open = resolve));
        return requests.map(() => done({ jobId: "j", batchId: "b", replayed: false }));
      },
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
