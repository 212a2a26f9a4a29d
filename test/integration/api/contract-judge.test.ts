/** The judge of contract.test.ts itself: that it refuses what it should. */
import { afterAll, describe, expect, it } from "vitest";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { startTestApi } from "../../support/api/test-api.ts";

const api = await startTestApi(letterQueue().queue);
afterAll(() => api[Symbol.asyncDispose]());

describe("the judge", () => {
  const answer = (status: number, body: unknown, headers: Record<string, string> = {}) => ({
    status,
    text: JSON.stringify(body),
    byteCount: Buffer.byteLength(JSON.stringify(body)),
    headers: new Headers({ "content-type": "application/json", "x-request-id": "1", ...headers }),
  });
  const submitted = { jobId: "j", batchId: "b" };
  const error = (code: string) => ({ error: { code, message: "m", requestId: "1" } });

  it.each([
    ["an undocumented status", answer(299, {}), "has no status 299"],
    ["a missing field", answer(201, { jobId: "j" }, { location: "x" }), "required property 'batchId'"],
    ["a field nobody documented", answer(201, { ...submitted, x: 1 }, { location: "x" }), "additional properties"],
    ["a wrong type", answer(201, { ...submitted, jobId: 7 }, { location: "x" }), "must be string"],
    ["a missing header", answer(201, submitted), "lacks the header Location"],
    ["a wrong media type", answer(201, submitted, { location: "x", "content-type": "text/html" }), "is text/html"],
    ["a code of another operation", answer(404, error("JobNotFound")), "has the code JobNotFound"],
  ])("refuses %s", (_what, wrong, problem) => {
    expect(() => api.contract.check("POST", "/v1/jobs", wrong)).toThrow(problem);
  });

  const FILE = {
    "content-type": "application/pdf",
    "content-length": "3",
    "content-disposition": 'attachment; filename="a.pdf"',
    "content-security-policy": "sandbox",
    "x-content-type-options": "nosniff",
  };
  it.each([
    ["a file that was cut", { "content-length": "9" }, "has 3 of the 9 bytes"],
    ["a file that a browser may guess the type of", { "x-content-type-options": "" }, "may be sniffed"],
    ["a file that a browser may run", { "content-security-policy": "default-src 'self'" }, "may be run as a page"],
    ["a file that a browser shows", { "content-disposition": "inline" }, "is no attachment"],
  ])("refuses %s", (_what, headers, problem) => {
    const path = "/v1/jobs/j/artifacts/a.pdf";
    expect(() => api.contract.check("GET", path, answer(200, 123, FILE))).not.toThrow();
    expect(() => api.contract.check("GET", path, answer(200, 123, { ...FILE, ...headers }))).toThrow(problem);
  });
});
