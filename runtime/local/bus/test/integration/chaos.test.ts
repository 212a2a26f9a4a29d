// A smoke share of `npm run chaos -- bus`, a third of that in `npm test`.
import { describe, expect, test } from "vitest";
import { crashRounds } from "../chaos/crash.ts";
import { faultRounds } from "../chaos/faults.ts";
import { breadth } from "../../../../../test/support/breadth.ts";

const ROUNDS = breadth(1, 3);
/** The fewest messages: even on a busy machine, half of eight senders get one acknowledged before their round breaks. */
const AT_LEAST = 4 * ROUNDS;

describe("the bus loses nothing that it has acknowledged", () => {
  test("when it is killed under load", { timeout: 180_000 }, async () => {
    const ledger = await crashRounds(ROUNDS);
    expect(ledger.violations).toEqual([]);
    expect(ledger.missing()).toEqual([]);
    expect(ledger.acknowledged.size).toBeGreaterThanOrEqual(AT_LEAST);
  });

  test("when connections are cut, stalled and swallowed", { timeout: 180_000 }, async () => {
    const ledger = await faultRounds({ rounds: ROUNDS, clientCount: 20 });
    expect(ledger.violations).toEqual([]);
    expect(ledger.missing()).toEqual([]);
    expect(ledger.acknowledged.size).toBeGreaterThanOrEqual(AT_LEAST);
  });
});
