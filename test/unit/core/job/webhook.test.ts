import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  WEBHOOK_FAILURES_MAX_COUNT,
  WEBHOOK_MAX_TRIES,
  WEBHOOK_SECRET_OVERLAP_MS,
} from "../../../../runtime/core/limits.ts";
import { judgeTry, rotatedSecrets, secretsAt, webhookBackoffMs } from "../../../../runtime/core/job/webhook.ts";
import { webhookOf } from "../../../support/builders.ts";

const HOUR_MS = 3_600_000;
const NOW = new Date("2026-03-01T00:00:00Z");
const after = (ms: number): Date => new Date(NOW.getTime() + ms);
const values = (secrets: readonly { readonly value: string }[]): readonly string[] => secrets.map(({ value }) => value);

describe("a delivery that did not arrive", () => {
  it("a delivery that does not arrive is tried eight times over some 21 hours", () => {
    const waits = Array.from({ length: WEBHOOK_MAX_TRIES }, (_, i) => webhookBackoffMs(i + 1, 0.5));
    const inSeconds = waits.map((ms) => ms && Math.round(ms / 1_000));
    expect(inSeconds).toEqual([30, 105, 368, 1_286, 4_502, 15_757, 55_148, undefined]);
    const total = waits.reduce<number>((sum, ms) => sum + (ms ?? 0), 0);
    expect(total / HOUR_MS).toBeCloseTo(21.4, 1);
  });

  it("the wait between two tries varies by a fifth, so that many deliveries do not retry at once", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: WEBHOOK_MAX_TRIES - 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (tries, random) => {
          const middle = webhookBackoffMs(tries, 0.5)!;
          const wait = webhookBackoffMs(tries, random)!;
          expect(wait).toBeGreaterThanOrEqual(Math.floor(middle * 0.8));
          expect(wait).toBeLessThanOrEqual(Math.ceil(middle * 1.2));
        },
      ),
    );
  });

  it("a delivery is judged by the status of its answer alone", () => {
    fc.assert(
      fc.property(
        fc.option(fc.integer({ min: 100, max: 599 }), { nil: undefined }),
        fc.integer({ min: 1, max: WEBHOOK_MAX_TRIES }),
        (answerCode, tries) => {
          const { state } = judgeTry(answerCode === undefined ? {} : { answerCode }, { tries, failuresInRow: 0 }, 0.5);
          const isGood = answerCode !== undefined && answerCode >= 200 && answerCode <= 299;
          const isOver = answerCode === 410 || tries === WEBHOOK_MAX_TRIES;
          expect(state).toBe(isGood ? "delivered" : isOver ? "failed" : "waiting");
        },
      ),
    );
  });

  it("a webhook is disabled when its receiver answers 410 or has been away for days", () => {
    const last = { tries: WEBHOOK_MAX_TRIES, failuresInRow: WEBHOOK_FAILURES_MAX_COUNT - 1 };
    expect(judgeTry({ answerCode: 410 }, { tries: 1, failuresInRow: 0 }, 0)).toMatchObject({
      disables: expect.stringContaining("410") as string,
    });
    expect(judgeTry({ answerCode: 500 }, last, 0)).toMatchObject({
      disables: expect.stringContaining("in a row") as string,
    });
    expect(judgeTry({ answerCode: 500 }, { ...last, failuresInRow: 8 }, 0)).toEqual({ state: "failed" });
    expect(judgeTry({ answerCode: 500 }, { ...last, tries: 3 }, 0)).toMatchObject({ state: "waiting" });
  });
});

describe("a rotated secret", () => {
  const webhook = webhookOf({ secrets: [{ value: "one", validUntil: undefined }] });

  it("a rotated secret signs beside the old one for a day, then alone", () => {
    const rotated = { secrets: rotatedSecrets(webhook, "two", NOW) };
    expect(values(secretsAt(rotated, NOW))).toEqual(["two", "one"]);
    expect(values(secretsAt(rotated, after(WEBHOOK_SECRET_OVERLAP_MS - 1)))).toEqual(["two", "one"]);
    expect(values(secretsAt(rotated, after(WEBHOOK_SECRET_OVERLAP_MS)))).toEqual(["two"]);
  });

  it("a second rotation keeps the end of older secrets and drops expired ones", () => {
    const twice = {
      secrets: rotatedSecrets({ secrets: rotatedSecrets(webhook, "two", NOW) }, "three", after(HOUR_MS)),
    };
    expect(values(secretsAt(twice, after(2 * HOUR_MS)))).toEqual(["three", "two", "one"]);
    expect(values(secretsAt(twice, after(24.5 * HOUR_MS)))).toEqual(["three", "two"]);
    expect(values(rotatedSecrets(twice, "four", after(48 * HOUR_MS)))).toEqual(["four", "three"]);
  });
});
