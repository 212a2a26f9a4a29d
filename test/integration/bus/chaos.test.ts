// A smoke share of `npm run chaos -- bus`.
import { describe, expect, test } from "vitest";
import { crashRounds } from "../../chaos/bus/crash.ts";
import { faultRounds } from "../../chaos/bus/faults.ts";

describe("the bus keeps its word", () => {
  test("when it is killed under load", { timeout: 180_000 }, async () => {
    const ledger = await crashRounds(3);
    expect(ledger.violations).toEqual([]);
    expect(ledger.missing()).toEqual([]);
    expect(ledger.acknowledged.size).toBeGreaterThan(100);
  });

  test("when connections are cut, stalled and swallowed", { timeout: 180_000 }, async () => {
    const ledger = await faultRounds({ rounds: 3, clientCount: 20 });
    expect(ledger.violations).toEqual([]);
    expect(ledger.missing()).toEqual([]);
    expect(ledger.acknowledged.size).toBeGreaterThan(100);
  });
});
