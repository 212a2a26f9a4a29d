import { createHmac, randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newSecret, signedHeaders } from "../../../runtime/api/webhooks/post.ts";
import { verifyWebhook } from "../../../runtime/client/index.ts";

const SECRET = newSecret();
const BODY = JSON.stringify({ version: 1, eventType: "ping", at: "2026-03-01T00:00:00.000Z", text: "Grüße, 世界 🎉" });
const NOW = new Date("2026-03-01T00:00:00Z");
const headersOf = (secrets: readonly string[] = [SECRET], sentAt = NOW) =>
  signedHeaders({ messageId: "msg_1", sentAt, body: BODY, secrets });
const at = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1_000);

describe("a signature", () => {
  /** The example of the specification's own libraries. */
  const VECTOR = {
    secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
    signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  };

  it("follows Standard Webhooks", async () => {
    const sentAt = new Date(VECTOR.timestamp * 1_000);
    const { body, secret } = VECTOR;
    const headers = signedHeaders({ messageId: VECTOR.id, sentAt, body, secrets: [secret] });
    expect(headers).toEqual({
      "webhook-id": VECTOR.id,
      "webhook-timestamp": String(VECTOR.timestamp),
      "webhook-signature": VECTOR.signature,
    });
    expect(await verifyWebhook(headers, body, secret, { now: sentAt })).toEqual({
      id: VECTOR.id,
      message: { test: 2_432_232_314 },
    });
  });

  it("equals the signature of another implementation, for any key and content", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 24, maxLength: 64 }), fc.jsonValue(), async (key, value) => {
        const body = JSON.stringify(value);
        const secret = `whsec_${Buffer.from(key).toString("base64")}`;
        const headers = signedHeaders({ messageId: "msg_2", sentAt: NOW, body, secrets: [secret] });
        const timestamp = String(NOW.getTime() / 1_000);
        const expected = createHmac("sha256", key)
          .update(Buffer.from(`msg_2.${timestamp}.${body}`))
          .digest("base64");
        expect(headers["webhook-signature"]).toBe(`v1,${expected}`);
        expect((await verifyWebhook(headers, body, secret, { now: NOW })).message).toEqual(JSON.parse(body));
      }),
      { numRuns: 50 },
    );
  });

  it("uses a random key of 32 bytes", () => {
    const secrets = new Set(Array.from({ length: 50 }, newSecret));
    expect(secrets.size).toBe(50);
    for (const secret of secrets) expect(Buffer.from(secret.slice("whsec_".length), "base64")).toHaveLength(32);
  });
});

describe("a receiver", () => {
  it("accepts headers of Fetch and of Node, and a body of text or bytes", async () => {
    const headers = headersOf();
    const verified = { id: "msg_1", message: { eventType: "ping" } };
    expect(await verifyWebhook(new Headers(headers), BODY, SECRET, { now: NOW })).toMatchObject(verified);
    expect(await verifyWebhook(headers, new TextEncoder().encode(BODY), SECRET, { now: NOW })).toMatchObject(verified);
    expect(await verifyWebhook(headers, Buffer.from(BODY), [newSecret(), SECRET], { now: NOW })).toMatchObject(
      verified,
    );
  });

  it("accepts a signature of the old secret during a rotation", async () => {
    const next = newSecret();
    const headers = headersOf([next, SECRET]);
    for (const secret of [SECRET, next]) await verifyWebhook(headers, BODY, secret, { now: NOW });
    await expect(verifyWebhook(headersOf([next]), BODY, SECRET, { now: NOW })).rejects.toMatchObject({
      code: "SignatureWrong",
    });
  });

  it("ignores signatures of unknown versions", async () => {
    const headers = headersOf();
    const signature = `v1a,${randomBytes(64).toString("base64")} v9,x v1,!! ${headers["webhook-signature"]}`;
    await verifyWebhook({ ...headers, "webhook-signature": signature }, BODY, SECRET, { now: NOW });
  });

  it.each([
    ["SignatureWrong", { "webhook-signature": `v1,${randomBytes(32).toString("base64")}` }],
    ["SignatureWrong", { "webhook-signature": "v1," }],
    ["SignatureWrong", { "webhook-signature": "nonsense" }],
    ["SignatureWrong", { "webhook-id": "msg_2" }],
    ["SignatureWrong", { "webhook-timestamp": String(NOW.getTime() / 1_000 + 1) }],
    ["HeadersMissing", { "webhook-timestamp": "now" }],
    ["HeadersMissing", { "webhook-timestamp": "" }],
    ["HeadersMissing", { "webhook-id": undefined }],
    ["HeadersMissing", { "webhook-signature": ["a", "b"] }],
  ])("refuses with %s a changed request: %o", async (code, changes) => {
    const headers = { ...headersOf(), ...changes };
    await expect(verifyWebhook(headers, BODY, SECRET, { now: NOW })).rejects.toMatchObject({ code });
  });

  it("refuses every other body and every other secret", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(Buffer.byteLength(BODY) - 1), fc.integer({ min: 1, max: 255 }), async (index, flip) => {
        const changed = Buffer.from(BODY);
        changed[index]! ^= flip;
        const refused = { code: "SignatureWrong" };
        await expect(verifyWebhook(headersOf(), changed, SECRET, { now: NOW })).rejects.toMatchObject(refused);
      }),
      { numRuns: 50 },
    );
    await expect(verifyWebhook(headersOf(), BODY, newSecret(), { now: NOW })).rejects.toMatchObject({
      code: "SignatureWrong",
    });
  });

  it("refuses messages that are too old or from the future, beyond the tolerance", async () => {
    const headers = headersOf();
    await verifyWebhook(headers, BODY, SECRET, { now: at(300) });
    await verifyWebhook(headers, BODY, SECRET, { now: at(-300) });
    const verify = (now: Date, toleranceMs?: number) => verifyWebhook(headers, BODY, SECRET, { now, toleranceMs });
    await expect(verify(at(301))).rejects.toMatchObject({ code: "TimestampTooOld" });
    await expect(verify(at(-301))).rejects.toMatchObject({ code: "TimestampTooNew" });
    await verify(at(3_600), 3_600_000);
  });

  it("refuses a signed body that is not JSON, and an invalid secret", async () => {
    const signed = signedHeaders({ messageId: "msg_1", sentAt: NOW, body: "text", secrets: [SECRET] });
    await expect(verifyWebhook(signed, "text", SECRET, { now: NOW })).rejects.toMatchObject({ code: "BodyInvalid" });
    await expect(verifyWebhook(headersOf(), BODY, "whsec_", { now: NOW })).rejects.toThrow(TypeError);
    await expect(verifyWebhook(headersOf(), BODY, "not base64!", { now: NOW })).rejects.toThrow(TypeError);
  });
});
