import { expect, it } from "vitest";
import { type Notice, isTold, nextNotice } from "../../../../runtime/core/job/notice.ts";
import { NOTICE_EVERY_MS } from "../../../../runtime/core/limits.ts";

const AT = new Date("2026-03-01T08:00:00Z");
const later = (ms: number): Date => new Date(AT.getTime() + ms);
const last: Notice = { from: 0, to: 3, at: AT, isMade: true };

it.each([
  ["nothing was counted", undefined, 0, 0, { action: "nothing" }],
  ["the first is told at once", undefined, 2, 0, { action: "write", notice: { from: 0, to: 2 } }],
  ["nothing was counted since", last, 3, NOTICE_EVERY_MS, { action: "nothing" }],
  ["more wait for their time", last, 9, NOTICE_EVERY_MS - 1, { action: "nothing" }],
  ["what has gathered is one notice", last, 9, NOTICE_EVERY_MS, { action: "write", notice: { from: 3, to: 9 } }],
  [
    "one that was not made comes first",
    { ...last, isMade: false },
    9,
    0,
    { action: "make", notice: { from: 0, to: 3 } },
  ],
])("%s", (_, notice, count, ms, expected) => {
  expect(nextNotice(notice, count, true, later(ms))).toMatchObject(expected);
});

it("counts as made at once where nobody wants to hear of it", () => {
  expect(nextNotice(undefined, 2, false, AT)).toMatchObject({ notice: { isMade: true } });
});

it("everything is told when the last notice is made and nothing was counted since", () => {
  expect([isTold(undefined, 0), isTold(undefined, 1), isTold(last, 3), isTold(last, 4)]).toEqual([
    true,
    false,
    true,
    false,
  ]);
  expect(isTold({ ...last, isMade: false }, 3)).toBe(false);
});
