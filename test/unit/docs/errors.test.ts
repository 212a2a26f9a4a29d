import { describe, expect, it } from "vitest";
import { statusOf } from "../../../runtime/api/http/error-response.ts";
import { REFUSALS } from "../../../runtime/api/http/http-server.ts";
import { errorsOf } from "../../../runtime/api/http/openapi.ts";
import { LOCAL_REFUSALS } from "../../../runtime/core/loopback.ts";
import {
  CONFLICT_CODES,
  ENDED_CODES,
  type ErrorCode,
  FORBIDDEN_CODES,
  INVALID_REQUEST_CODES,
  INVARIANT_CODES,
  JOB_CODES,
  NOT_FOUND_CODES,
  PACKAGE_CODES,
  TOO_MANY_CODES,
  UNAUTHENTICATED_CODES,
  UNAVAILABLE_CODES,
} from "../../../runtime/core/errors.ts";
import { codesIn, readDocument, rowsOf, sectionOf } from "../../support/docs/document-tables.ts";
import { apiOperations } from "../../support/api-operations.ts";

const ALL: readonly ErrorCode[] = [
  ...[...INVALID_REQUEST_CODES, ...UNAUTHENTICATED_CODES, ...FORBIDDEN_CODES, ...TOO_MANY_CODES, ...NOT_FOUND_CODES],
  ...[...CONFLICT_CODES, ...PACKAGE_CODES, ...JOB_CODES, ...ENDED_CODES, ...UNAVAILABLE_CODES, ...INVARIANT_CODES],
];

/** What is answered before an operation is found. */
const OF_NO_OPERATION: readonly ErrorCode[] = ["RouteNotFound", "MethodNotAllowed"];
const answered = new Set([...OF_NO_OPERATION, ...apiOperations.flatMap((one) => [...errorsOf(one).values()].flat())]);
const ended = new Set<ErrorCode>([
  ...JOB_CODES,
  ...PACKAGE_CODES,
  "SettingMissing",
  "WorkerLost",
  "TimerSkipped",
  "TimerMissed",
]);

/** Errors sent before the app handles the request. */
const refusals: readonly { readonly code: string; readonly status: number }[] = [
  ...Object.values(REFUSALS),
  ...Object.values(LOCAL_REFUSALS),
];

const document = await readDocument("errors.md");
const codesOf = (heading: string): readonly string[] =>
  rowsOf(sectionOf(document, heading)).map(([cell = ""]) => codesIn(cell)[0] ?? "");
const sorted = (codes: Iterable<string>): readonly string[] => [...codes].toSorted();

describe("docs/errors.md", () => {
  it("lists exactly the codes that the API can return", () => {
    const refused = refusals.map(({ code }) => code);
    expect(sorted(codesOf("## Answers of the API"))).toEqual(sorted([...answered, ...refused]));
  });

  it("lists each code with its status", () => {
    const refused = refusals.map(({ code, status }) => [code, String(status)]);
    const expected = [...[...answered].map((code) => [code, String(statusOf(code))]), ...refused];
    const documented = rowsOf(sectionOf(document, "## Answers of the API")).map(([code = "", status]) => [
      codesIn(code)[0],
      status,
    ]);
    expect(new Map(documented as [string, string][])).toEqual(new Map(expected as [string, string][]));
  });

  it("lists exactly the codes that a job can end with", () => {
    expect(sorted(codesOf("## What jobs end with"))).toEqual(sorted(ended));
  });

  it("lists all other codes as internal", () => {
    const others = ALL.filter((code) => !answered.has(code) && !ended.has(code));
    expect(sorted(codesIn(sectionOf(document, "## Never seen from outside")))).toEqual(sorted(others));
  });

  it("has a meaning and an action for each code", () => {
    for (const row of rowsOf(document)) {
      expect([row[0], row.length, row.every((cell) => cell !== "")]).toEqual([row[0], 4, true]);
    }
  });
});
