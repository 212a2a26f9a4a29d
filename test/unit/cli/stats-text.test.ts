import { describe, expect, it } from "vitest";
import { showSeconds } from "../../../runtime/cli/command.ts";
import { sparkline } from "../../../runtime/cli/sparkline.ts";
import { marksFor, statsText } from "../../../runtime/cli/stats-text.ts";
import type { StatsView } from "../../../runtime/local/telemetry/receiver.ts";

const plain = (_style: unknown, text: string): string => text;
const STATS: StatsView = {
  since: "2030-01-31T08:00:00.000Z",
  until: "2030-01-31T08:25:00.000Z",
  markSeconds: 300,
  jobTypes: [
    {
      name: "Greetings",
      measures: {
        ended: { value: 120, marks: [0, 0, 10, 40, 60, 10] },
        failed: { value: 2, marks: [0, 0, 0, 2, 0, 0] },
        wait: { value: 0.045, marks: [null, null, 0.01, 0.045, 0.03, 0.01] },
        run: { value: 65.2, marks: [null, null, 1, 65.2, 2, 1] },
      },
    },
    {
      name: "reports.nightly-report-of-all-tenants",
      measures: {
        ended: { value: 1, marks: [0, 0, 0, 0, 0, 1] },
        failed: { value: 0, marks: [0, 0, 0, 0, 0, 0] },
        wait: { value: null, marks: [null, null, null, null, null, null] },
        run: { value: 4.25, marks: [null, null, null, null, null, 4.25] },
      },
    },
  ],
  pools: [
    {
      name: "default",
      measures: {
        depth: { value: 7, marks: [null, 0, 0, 20, 12, 7] },
        oldest: { value: 3, marks: [null, 0, 0, 9, 5, 3] },
        slots: { value: 4, marks: [null, 4, 4, 4, 4, 4] },
        used: { value: 2, marks: [null, 0, 1, 4, 4, 2] },
      },
    },
  ],
};

describe("the statistics as text", () => {
  it("is a table of job types and one of pools, in 80 columns", () => {
    expect(`\n${statsText(STATS, { columns: 80, paint: plain })}`).toBe(`
Data since 08:00:00 UTC (25 min). Each mark is 5 min; the last is now.

job type          ended         failed         wait p95           run p95
Greetings           120 ▁▁▃▆█▃       2 ▁▁▁█▁▁     45 ms ··▃█▆▃  1 min 5 s ··▂█▂▂
reports.nightly…      1 ▁▁▁▁▁█       0 ▁▁▁▁▁▁         - ······     4.25 s ·····█

pool     waiting         oldest         slots used
default        7 ·▁▁█▆▄     3 s ·▁▁█▅▄      2 of 4 ·▁▃██▅`);
  });

  it("marks failures in red", () => {
    const text = statsText(STATS, {
      columns: 80,
      paint: (style, part) => (style === "red" ? `<${part.trim()}>` : part),
    });
    expect([...text.matchAll(/<([^>]*)>/g)].map(([, part]) => part)).toEqual(["2 ▁▁▁█▁▁"]);
  });

  it("says so while nothing was measured", () => {
    const text = statsText({ ...STATS, jobTypes: [], pools: [] }, { columns: 80, paint: plain });
    expect(text).toBe(
      "Data since 08:00:00 UTC (25 min). Each mark is 5 min; the last is now.\n\nNothing was measured yet.",
    );
  });

  it("has more marks on a wider terminal, and some on a narrow one", () => {
    expect([20, 80, 120, 400, Infinity].map(marksFor)).toEqual([4, 6, 16, 30, 11]);
  });
});

describe("a sparkline", () => {
  it("has the highest bar for the greatest number, and the lowest one for zero alone", () => {
    expect(sparkline([0, 1, 500, 1_000, null])).toBe("▁▂▅█·");
    expect(sparkline([0, 0])).toBe("▁▁");
    expect(sparkline([1, 2], 4)).toBe("▃▅");
    expect(sparkline([])).toBe("");
  });
});

describe("a time", () => {
  it.each([
    [0, "0 s"],
    [0.0042, "4.2 ms"],
    [0.82, "820 ms"],
    [0.99996, "1.00 s"],
    [4.25, "4.25 s"],
    [30, "30 s"],
    [59.96, "1 min"],
    [185, "3 min 5 s"],
    [3_600, "1 h"],
    [7_500, "2 h 5 min"],
  ])("%d seconds are %s", (seconds, text) => {
    expect(showSeconds(seconds)).toBe(text);
  });
});
