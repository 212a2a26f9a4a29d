import { expect, it } from "vitest";
import { UnreadableError } from "../../../runtime/core/errors.ts";
import { UNREADABLE_LOG_EVERY_MS, UNREADABLE_SHOWN_MS } from "../../../runtime/core/limits.ts";
import { createUnreadable } from "../../../runtime/core/unreadable.ts";
import { silentLog } from "../../support/silent.ts";

const strange = (format: "bell" | "job"): UnreadableError => new UnreadableError(format, "Its version is 2.");

it("something unreadable is logged once a minute per format, with the number met meanwhile", () => {
  let now = 1_000;
  const logged: unknown[] = [];
  const log = { ...silentLog, warn: (fields: unknown) => void logged.push(fields) };
  const { note } = createUnreadable({ monotonicNow: () => now, log });
  for (const key of ["a", "b", "c"]) note(key, strange("bell"));
  note("row", strange("job"));
  now += UNREADABLE_LOG_EVERY_MS;
  note("d", strange("bell"));
  expect(logged).toEqual([
    { format: "bell", key: "a", reason: "Its version is 2.", others: 0 },
    { format: "job", key: "row", reason: "Its version is 2.", others: 0 },
    { format: "bell", key: "d", reason: "Its version is 2.", others: 2 },
  ]);
});

it("an unreadable format is shown for a quarter of an hour after the last time", () => {
  let now = 0;
  const unreadable = createUnreadable({ monotonicNow: () => now, log: silentLog });
  expect(unreadable.formats()).toEqual([]);
  unreadable.note("row", strange("job"));
  unreadable.note("message", strange("bell"));
  unreadable.note("broken", new Error("no format"));
  expect(unreadable.formats()).toEqual(["bell", "job"]);
  now += UNREADABLE_SHOWN_MS - 1;
  unreadable.note("row", strange("job"));
  now += 1;
  expect(unreadable.formats()).toEqual(["job"]);
});
