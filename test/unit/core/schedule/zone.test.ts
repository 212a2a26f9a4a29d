import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ScheduleError } from "../../../../runtime/core/errors.ts";
import { createZone, zoneOf } from "../../../../runtime/core/schedule/zone.ts";
import { breadth } from "../../../support/breadth.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A zone that changes its clocks by an hour, forth and back, at each of these moments. */
function zoneThatChangesAt(changes: readonly number[]) {
  let looks = 0;
  const zone = createZone((instant) => {
    looks++;
    return (changes.filter((at) => at <= instant).length % 2) * HOUR_MS;
  });
  return { zone, looks: () => looks };
}

describe("a zone", () => {
  const gap = fc.integer({ min: 7 * 24 * 3_600, max: 400 * 24 * 3_600 });
  const changes = fc.array(gap, { minLength: 1, maxLength: 12 }).map((gaps) => {
    let at = Date.UTC(2020, 0, 1);
    return gaps.map((seconds) => (at += seconds * 1_000));
  });
  const moments = fc.array(fc.integer({ min: Date.UTC(2019, 0, 1), max: Date.UTC(2030, 0, 1) }), { maxLength: 20 });

  it("finds every change, and says the same of a moment whatever was asked before", () => {
    fc.assert(
      fc.property(changes, moments, (at, others) => {
        const { zone } = zoneThatChangesAt(at);
        for (const moment of [...others, ...at, ...at.map((one) => one - 1)]) {
          const stretch = zone.stretchAt(moment);
          expect(stretch).toEqual(zoneThatChangesAt(at).zone.stretchAt(moment));
          const passed = at.filter((one) => one <= moment);
          expect(stretch.offsetMs).toBe((passed.length % 2) * HOUR_MS);
          expect(stretch.start <= moment && moment < stretch.end).toBe(true);
          expect(at.some((one) => one > stretch.start && one < stretch.end)).toBe(false);
          // What local times come twice or not at all is only known at the change itself.
          const latest = passed.at(-1);
          if (latest !== undefined && moment < latest + DAY_MS) expect(stretch.start).toBe(latest);
          expect(stretch.offsetBeforeMs !== stretch.offsetMs).toBe(stretch.start === latest);
        }
      }),
    );
  });

  it("is looked at once for the same time, and keeps a bounded part of what it has seen", () => {
    const { zone, looks } = zoneThatChangesAt([]);
    const now = Date.UTC(2026, 5, 1);
    zone.stretchAt(now);
    const once = looks();
    expect(once).toBeLessThan(50);
    for (let i = 0; i < 100; i++) zone.stretchAt(now + i * HOUR_MS);
    expect(looks()).toBeLessThanOrEqual(2 * once);
    for (let year = 1970; year < 2070; year++) zone.stretchAt(Date.UTC(year, 0, 1));
    const many = looks();
    zone.stretchAt(Date.UTC(1970, 0, 1));
    expect(looks() - many).toBe(once);
  });

  it("is the same for every spelling of its name", () => {
    expect(zoneOf("europe/VIENNA")).toBe(zoneOf("Europe/Vienna"));
  });
});

describe("the name of a zone", () => {
  it("of two or three letters is one of the IANA database's", () => {
    const letters = Array.from({ length: 26 }, (_, i) => String.fromCharCode(65 + i));
    const pairs = breadth(["B", "C", "I"], letters).flatMap((a) => letters.map((b) => a + b));
    const names = [...pairs, ...pairs.flatMap((pair) => letters.map((c) => pair + c))];
    const isTaken = (name: string): boolean => {
      try {
        return Boolean(zoneOf(name));
      } catch (error) {
        expect(error).toBeInstanceOf(ScheduleError);
        return false;
      }
    };
    const iana = "GB NZ CET EET EST GMT HST MET MST PRC ROC ROK UCT UTC WET".split(" ");
    expect(names.filter(isTaken)).toEqual(iana.filter((name) => names.includes(name)));
  });

  it.each([
    ["BST", /"BST" is an abbreviation that several zones share.*Node.js would take it for Asia\/Dhaka/],
    ["cst", /"cst" is an abbreviation.*America\/Chicago/],
    ["IST", /abbreviation.*use a name such as Europe\/Vienna/],
    ["AST", /America\/Anchorage/],
    ["SystemV/PST8PDT", /abbreviation/],
    ["+01:00", /"\+01:00" is an offset, which is wrong for half of the year/],
    ["GMT+2", /not in the IANA database/],
    ["Mars/Olympus", /Mars\/Olympus.*IANA/],
    ["", /not in the IANA database/],
  ])("%s is refused, and why is said", (name, message) => {
    expect(() => zoneOf(name)).toThrow(message);
  });
});
