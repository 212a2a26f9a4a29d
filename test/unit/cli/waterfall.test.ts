import { describe, expect, it } from "vitest";
import { waterfall } from "../../../runtime/cli/waterfall.ts";
import { readSpans } from "../../../runtime/local/telemetry/otlp-json.ts";
import { type SpanToSend, tracesOf } from "../../support/telemetry/otlp.ts";

const plain = (_style: unknown, text: string): string => text;
const drawn = (
  given: Readonly<Record<string, readonly SpanToSend[]>>,
  columns = 80,
  paint: (style: unknown, text: string) => string = plain,
): string => {
  const spans = Object.entries(given).flatMap(([instance, sent]) =>
    readSpans(tracesOf({ "service.name": "jobyard-x", "service.instance.id": instance }, sent)),
  );
  return waterfall(
    spans.toSorted((a, b) => a.startMs - b.startMs),
    { columns, paint },
  );
};

/** A job that failed once and was tried again by another worker. */
const RETRIED = {
  api: [
    { id: "request", name: "POST /tenants/{tenant}/batches/{batchId}/jobs", toMs: 40 },
    { id: "submit", name: "submit", parent: "request", fromMs: 10, toMs: 38 },
  ],
  "worker-1": [
    {
      ...{ id: "one", name: "process Greetings", parent: "submit", fromMs: 90, toMs: 700 },
      ...{ attributes: { "jobyard.attempt": 1 }, error: `The mail server\nrefused ${"the connection ".repeat(5)}` },
    },
    { id: "run-1", name: "run", parent: "one", fromMs: 140, toMs: 690 },
  ],
  "worker-2": [
    {
      ...{ id: "two", name: "process Greetings", parent: "submit", fromMs: 1_700, toMs: 2_000, follows: "one" },
      ...{ attributes: { "jobyard.attempt": 2 } },
    },
    { id: "run-2", name: "run", parent: "two", fromMs: 1_710, toMs: 1_980 },
  ],
} as const;

describe("the waterfall of a job", () => {
  it("shows tree, process, bar and time of every span, in 80 columns", () => {
    expect(`\n${drawn(RETRIED)}`).toBe(`
                                                 0         1 s       2 s
POST /tenants/{tenant}/batches/{batc…  api       █                         40 ms
└ submit                               api       █                         28 ms
  ├ ✗ process Greetings                worker-1   ███████                 610 ms
  │ │  The mail server refused the connection the connection the connection the
  │ │  connection the connection
  │ └ run                              worker-1   ██████                  550 ms
  └ process Greetings ↩ attempt 1      worker-2                     ███   300 ms
    └ run                              worker-2                     ███   270 ms`);
  });

  it("says that an attempt follows one whose worker was killed, which sends no span", () => {
    const attempt = { id: "two", parent: "submit", follows: "killed", attributes: { "jobyard.attempt": 1 } };
    expect(drawn({ api: [{ id: "submit" }, attempt] })).toMatch(/└ two ↩ lost attempt +api/);
    const claim = { id: "claim", parent: "killed" };
    const lines = drawn({ api: [{ id: "submit" }, claim, { ...attempt, fromMs: 5 }] }).split("\n");
    expect(lines.slice(1).map((line) => line.replace(/ +api .*/, ""))).toEqual([
      "submit",
      "├ ✗ lost attempt",
      "│ │  Its worker has not sent its end.",
      "│ └ claim",
      "└ two ↩ lost attempt",
    ]);
    const send = { id: "send", parent: "submit", follows: "another" };
    expect(drawn({ api: [{ id: "submit" }, send] })).not.toContain("↩");
  });

  it("marks errors in red, and nothing else", () => {
    const text = drawn(RETRIED, 80, (style, part) => (style === "red" ? `<${part}>` : part));
    const red = [...text.matchAll(/<([^>]*)>/g)].map(([, part = ""]) => part.trim());
    expect(red).toEqual([
      "├ ✗ process Greetings",
      expect.stringMatching(/^█+$/),
      expect.stringMatching(/^The mail server refused/),
      expect.any(String),
    ]);
  });

  it.each([60, 80, 132])("is no wider than %i columns", (columns) => {
    for (const line of drawn(RETRIED, columns).split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
  });

  it("does not end in an error for no time, a circle of parents, or very many spans", () => {
    expect(drawn({ api: [{ id: "submit" }] })).toMatch(/^ +0 +0 s +0 s\nsubmit +api {2}█+ {2}0 s$/);
    const circle = drawn({
      api: [
        { id: "a", parent: "b" },
        { id: "b", parent: "a" },
        { id: "c", parent: "c" },
      ],
    });
    expect(circle.split("\n").map((line) => line.slice(0, 3))).toEqual(["   ", "a  ", "└ b", "c  "]);
    const many = drawn({ api: Array.from({ length: 250 }, (_, i) => ({ id: `s${i}` })) }).split("\n");
    expect([many.length, many.at(-1)]).toEqual([202, "… and 50 more spans: --json lists all"]);
  });
});
