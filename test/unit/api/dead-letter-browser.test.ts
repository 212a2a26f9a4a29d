import { describe, expect, it } from "vitest";
import { createDeadLetterBrowser } from "../../../runtime/api/dead-letter-browser.ts";
import type { Caller } from "../../../runtime/api/auth/caller.ts";
import { bellOf } from "../../../runtime/core/job/bell.ts";
import { NotFoundError } from "../../../runtime/core/errors.ts";
import { DEAD_LETTERS_MAX_LOCKED, DEAD_LETTERS_MAX_LOOKED_AT } from "../../../runtime/core/limits.ts";
import type { PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { deliveryOf } from "../../support/bus/fake-delivery.ts";

const ACME: Caller = {
  name: "acme",
  mayUse: (tenantName) => tenantName === "acme",
  mayOperate: () => false,
  tenants: () => ["acme"],
};
const QUERY = { pool: "default", poison: false, pageSize: 10 };

/** Dead letters of the queue of normal priority, by tenant, oldest first; and how many are locked at the moment. */
function createWorld(tenants: readonly string[]) {
  const state = { locked: 0, mostLocked: 0 };
  const rows = tenants.map((tenantName) => jobOf({ state: "failed" }, batchOf({ tenantName })));
  const letters = rows.map((job, index): PeekedMessage => ({
    parsed: { kind: "bell", bell: bellOf(job, "v1") },
    messageId: `${job.jobId}:1`,
    sequenceNumber: String(2 ** 40 + index * 3),
    enqueuedAt: new Date(0),
    reason: "JobFailed",
    description: undefined,
  }));
  const removed: string[] = [];
  const deadLetters = createDeadLetterBrowser({
    pools: ["default"],
    jobs: { get: (jobId) => Promise.resolve({ value: rows.find((job) => job.jobId === jobId)!, etag: "v1" }) },
    queue: {
      peek: (queueName, { fromSequenceNumber = "1", maxCount }) =>
        Promise.resolve(
          queueName === "jobs-default-normal"
            ? letters.filter((letter) => Number(letter.sequenceNumber) >= Number(fromSequenceNumber)).slice(0, maxCount)
            : [],
        ),
      takeDeadLetters: (_queueName, maxCount) => {
        const taken = letters.slice(0, maxCount).map(({ sequenceNumber }, index) => {
          const unlock = (): Promise<void> => {
            state.locked--;
            return Promise.resolve();
          };
          return deliveryOf(
            { value: rows[index]!, etag: "v1" },
            { sequenceNumber, abandon: unlock, complete: () => (removed.push(sequenceNumber), unlock()) },
          );
        });
        state.locked += taken.length;
        state.mostLocked = Math.max(state.mostLocked, state.locked);
        return Promise.resolve(taken);
      },
    },
  });
  return { deadLetters, letters, removed, state };
}

const many = (count: number, tenantName: string): string[] => Array.from({ length: count }, () => tenantName);

describe("dead letters", () => {
  it("one request reads a limited number of dead letters, also when none is the caller's", async () => {
    const { deadLetters, letters } = createWorld([...many(DEAD_LETTERS_MAX_LOOKED_AT + 100, "other"), "acme"]);
    const first = await deadLetters.list(ACME, QUERY);
    expect(first.items).toEqual([]);
    const second = await deadLetters.list(ACME, { ...QUERY, continuationToken: first.continuationToken });
    expect(second.items.map(({ sequenceNumber }) => sequenceNumber)).toEqual([letters.at(-1)!.sequenceNumber]);
    expect(second.continuationToken).toBeUndefined();
  });

  it("removing a dead letter locks the ones before it, and releases them", async () => {
    const { deadLetters, letters, removed, state } = createWorld(many(300, "acme"));
    const { sequenceNumber } = letters[260]!;
    await deadLetters.remove(ACME, "jobs-default-normal", sequenceNumber);
    expect(removed).toEqual([sequenceNumber]);
    expect(state).toEqual({ locked: 0, mostLocked: 261 });
  });

  it("a dead letter behind too many others cannot be removed, and nothing is locked", async () => {
    const { deadLetters, letters, state } = createWorld(many(DEAD_LETTERS_MAX_LOCKED + 1, "acme"));
    const removing = deadLetters.remove(ACME, "jobs-default-normal", letters.at(-1)!.sequenceNumber);
    await expect(removing).rejects.toThrow(NotFoundError);
    expect(state.mostLocked).toBe(0);
  });

  it("dead letters of other tenants answer 404", async () => {
    const { deadLetters, letters, removed } = createWorld(["other"]);
    const removing = deadLetters.remove(ACME, "jobs-default-normal", letters[0]!.sequenceNumber);
    await expect(removing).rejects.toThrow(NotFoundError);
    expect(removed).toEqual([]);
  });

  it("a sequence number between two dead letters answers 404", async () => {
    const { deadLetters, letters } = createWorld(many(2, "acme"));
    const between = String(Number(letters[0]!.sequenceNumber) + 1);
    await expect(deadLetters.remove(ACME, "jobs-default-normal", between)).rejects.toThrow(NotFoundError);
  });
});
