import { describe, expect, it } from "vitest";
import {
  LOCAL_REFUSALS,
  type LocalOnlyOptions,
  localOnly,
  pagesOf,
  pagesOfThisMachine,
} from "../../../runtime/core/loopback.ts";

type Headers = Readonly<Record<string, string>>;

/** What the wrapped listener's server answers: 200, unless the rule refuses. */
function statusOf(headers: Headers, changes: LocalOnlyOptions["changes"] = "by-proof", method = "POST"): number {
  let status = 200;
  const response = {
    writeHead(given: number) {
      status = given;
      return { end: () => undefined };
    },
  };
  let heard = false;
  localOnly(() => (heard = true), { changes })({ method, headers }, response);
  expect(heard).toBe(status === 200);
  return status;
}

const REFUSED_HOST = LOCAL_REFUSALS.host.status;
const REFUSED_ORIGIN = LOCAL_REFUSALS.origin.status;

describe("the Host of a local server", () => {
  it.each(["localhost", "localhost:7070", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:7070", "127.8.9.1:80", "[::1]:7070"])(
    "may be %s",
    (host) => {
      expect(statusOf({ host })).toBe(200);
    },
  );

  it.each([
    ...["evil.example", "evil.example:7070", "localhost.evil.example", "127.0.0.1.evil.example:7070", "localhost."],
    // Browsers send a page's requests to 0.0.0.0 to this machine.
    ...["0.0.0.0:7070", "[::]:7070", "192.168.0.10:7070", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "::1"],
    ...["", " ", ":7070", "localhost:", "localhost:port", "localhost,evil.example", "evil.example@localhost"],
    ...[
      "localhost@evil.example",
      "localhost/evil.example",
      "localhost evil.example",
      "127.0.0.1:70:70",
      "[::1",
      "127.1",
    ],
  ])("a local server refuses Host %j for every method", { tags: "attack/hosts" }, (host) => {
    for (const method of ["GET", "HEAD", "OPTIONS", "POST", "DELETE"]) {
      expect(statusOf({ host }, "by-proof", method)).toBe(REFUSED_HOST);
    }
  });

  it("a local server refuses a request without Host", { tags: "attack/hosts" }, () => {
    expect(statusOf({})).toBe(REFUSED_HOST);
  });

  it(
    "is judged before the page that asks, and also for pages that may change something",
    { tags: "attack/hosts" },
    () => {
      expect(statusOf({ host: "evil.example", origin: "http://evil.example" }, pagesOf(["http://evil.example"]))).toBe(
        REFUSED_HOST,
      );
    },
  );
});

describe("a change where no token is required", () => {
  const host = "127.0.0.1:7070";
  const allowed = pagesOf(["http://localhost:5173"]);

  it.each<[string, Headers]>([
    ["a program, which sends no origin", {}],
    ["the server's own page", { origin: "http://127.0.0.1:7070", "sec-fetch-site": "same-origin" }],
    ["the server's own page, of a browser without fetch metadata", { origin: "http://127.0.0.1:7070" }],
    ["the server's own page, which hides its origin", { origin: "null", "sec-fetch-site": "same-origin" }],
    ["what the user typed", { "sec-fetch-site": "none" }],
    ["a page that is allowed", { origin: "http://localhost:5173", "sec-fetch-site": "cross-site" }],
  ])("a local server accepts a change from %s", (_who, headers) => {
    expect(statusOf({ host, ...headers }, allowed)).toBe(200);
  });

  it.each<[string, Headers]>([
    ["a foreign page", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }],
    ["a foreign page, of a browser without fetch metadata", { origin: "https://evil.example" }],
    ["a foreign page that hides its origin", { origin: "null", "sec-fetch-site": "cross-site" }],
    ["a sandboxed page", { origin: "null" }],
    ["a foreign page without an origin", { "sec-fetch-site": "cross-site" }],
    ["another server of this machine", { origin: "http://127.0.0.1:9999", "sec-fetch-site": "same-site" }],
    ["the same port under another name", { origin: "http://localhost:7070", "sec-fetch-site": "cross-site" }],
    ["a name that begins like ours", { origin: "http://127.0.0.1:7070.evil.example" }],
    ["an origin that is allowed with another scheme", { origin: "https://localhost:5173" }],
    ["nonsense", { origin: "127.0.0.1:7070" }],
  ])("a local server refuses a change from %s", { tags: "attack/hosts" }, (_who, headers) => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      expect(statusOf({ host, ...headers }, allowed, method)).toBe(REFUSED_ORIGIN);
    }
    expect(statusOf({ host, ...headers }, allowed, "GET")).toBe(200);
  });

  it("a local server for pages accepts a change from a page of this machine", { tags: "attack/hosts" }, () => {
    for (const origin of ["http://localhost:5173", "http://127.0.0.1:1", "https://[::1]:7443"]) {
      expect(statusOf({ host, origin, "sec-fetch-site": "cross-site" }, pagesOfThisMachine)).toBe(200);
    }
    for (const origin of ["http://localhost.evil.example", "http://evil.example", "null", "file://", ""]) {
      expect(statusOf({ host, origin }, pagesOfThisMachine)).toBe(REFUSED_ORIGIN);
    }
  });
});

it("a local server passes changes on when each needs a proof", () => {
  expect(statusOf({ host: "localhost", origin: "https://evil.example", "sec-fetch-site": "cross-site" })).toBe(200);
});
