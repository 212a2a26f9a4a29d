import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WEBHOOK_URL_MAX_LENGTH } from "../../../../runtime/core/limits.ts";
import { faultOfWebhookUrl } from "../../../../runtime/api/webhooks/receiver-address.ts";

const STRICT = { allowLoopback: false };
const LAPTOP = { allowLoopback: true };

describe("the address of a webhook", () => {
  it.each([
    "https://hooks.example.com/jobyard?key=1",
    "https://hooks.example.com:443",
    "https://20.50.2.1/",
    "https://[2a01:4f8::1]/",
  ])("may be %s", (url) => {
    expect(faultOfWebhookUrl(url, STRICT)).toBeUndefined();
  });

  it.each([
    ["", "must be an address"],
    ["hooks.example.com", "must be an address"],
    ["http://hooks.example.com", "must begin with https://"],
    ["ftp://hooks.example.com", "must begin with https://"],
    ["file:///etc/passwd", "must begin with https://"],
    ["https://hooks.example.com:8443", "must be at port 443"],
    ["https://hooks.example.com:22", "must be at port 443"],
    ["https://user:secret@hooks.example.com", "must not contain a user name"],
    ["https://user@hooks.example.com", "must not contain a user name"],
    ["https://hooks.example.com/#x", "must not have a fragment"],
    ["https://localhost/", "must name a public host"],
    ["https://localhost./", "must name a public host"],
    ["https://intranet/", "must name a public host"],
    ["https://127.0.0.1/", "private network"],
    ["https://127.1/", "private network"],
    ["https://2130706433/", "private network"],
    ["https://0x7f000001/", "private network"],
    ["https://0177.0.0.1/", "private network"],
    ["https://127.0.0.1./", "private network"],
    ["https://①②⑦.0.0.1/", "private network"],
    ["https://[::1]/", "private network"],
    ["https://[::ffff:127.0.0.1]/", "private network"],
    ["https://[::ffff:7f00:1]/", "private network"],
    ["https://169.254.169.254/metadata", "private network"],
    ["https://168.63.129.16/", "private network"],
    [`https://hooks.example.com/${"x".repeat(WEBHOOK_URL_MAX_LENGTH)}`, "at most 2000 characters"],
  ])("must not be %s", { tags: "attack/addresses" }, (url, fault) => {
    expect(faultOfWebhookUrl(url, STRICT)).toContain(fault);
  });

  it.each(["http://127.0.0.1:8080/hook", "https://127.0.0.1:8443", "http://localhost:3000", "http://[::1]:1"])(
    "may be %s on a laptop, and nowhere else",
    (url) => {
      expect(faultOfWebhookUrl(url, LAPTOP)).toBeUndefined();
      expect(faultOfWebhookUrl(url, STRICT)).toBeDefined();
    },
  );

  it.each([
    "http://hooks.example.com",
    "http://10.0.0.1",
    "https://10.0.0.1",
    "ftp://127.0.0.1",
    "http://u:p@127.0.0.1",
  ])("must not be %s, also on a laptop", { tags: "attack/addresses" }, (url) => {
    expect(faultOfWebhookUrl(url, LAPTOP)).toBeDefined();
  });

  it("is judged whatever it is, and only https at port 443 gets through", { tags: "attack/addresses" }, () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl({ withFragments: true, withQueryParameters: true })), (text) => {
        if (faultOfWebhookUrl(text, STRICT) !== undefined) return;
        expect(new URL(text)).toMatchObject({ protocol: "https:", port: "", username: "", password: "", hash: "" });
      }),
    );
  });
});
