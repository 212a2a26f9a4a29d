// The real SDK with access tokens: what role assignments allow and refuse, and what happens to links when tokens expire.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServiceBusReceiver } from "@azure/service-bus";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TOLERANCE_S } from "../../access/gate.ts";
import type { AccessUse } from "../../index.ts";
import { startBus, type BusFixture } from "../support/start-bus.ts";
import { startBusProcess } from "../support/bus-process.ts";
import { startBusTokens, type BusTokens } from "../support/tokens.ts";
import { eventually } from "../../../../../test/support/eventually.ts";
import { temporaryDirectory } from "../../../../../test/support/temporary-directory.ts";
import { nowS } from "../../../../../test/support/identity/test-issuer.ts";

const NO_RETRIES = { retryOptions: { maxRetries: 0, timeoutInMs: 5_000 } };
const UNAUTHORIZED = { code: "UnauthorizedAccess" };
const SOON_MS = 60_000;

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

/** Claims of a token that expires so many seconds after its creation, including the tolerance. */
const livingFor = (seconds: number) => () => ({ exp: nowS() + seconds - TOLERANCE_S });

/** The message bodies and errors of a subscription, in order. */
const subscribed = (receiver: ServiceBusReceiver) => {
  const bodies: unknown[] = [];
  const errors: unknown[] = [];
  receiver.subscribe({
    processMessage: ({ body }) => {
      bodies.push(body);
      return Promise.resolve();
    },
    processError: ({ error }) => {
      errors.push(error);
      return Promise.resolve();
    },
  });
  return { bodies, errors };
};

describe("with role assignments", () => {
  let tokens: BusTokens;
  let fixture: BusFixture;
  let uses: AccessUse[];
  const faults: unknown[] = [];

  beforeEach(async () => {
    uses = [];
    faults.length = 0;
    tokens = await startBusTokens(
      { principalId: "sender", entity: "q", rights: ["send"] },
      { principalId: "receiver", entity: "q", rights: ["listen"] },
      { principalId: "subscriber", entity: "t/subscriptions/s", rights: ["listen"] },
      { principalId: "owner", entity: "t", rights: ["manage"] },
      { principalId: "root", entity: "*", rights: ["manage"] },
    );
    fixture = await startBus(
      {
        queues: [{ name: "q" }, { name: "other" }, { name: "sessions", requiresSession: true }],
        topics: [{ name: "t", subscriptions: [{ name: "s" }, { name: "s2" }] }],
      },
      {
        ...{ adminPort: 0, accessFile: tokens.accessFile },
        ...{ onAccess: (use) => uses.push(use), onFault: (fault) => faults.push(fault) },
      },
    );
  });
  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
    await tokens[Symbol.asyncDispose]();
  });
  const clientOf = (oid: string) => fixture.clientAs(tokens.credential(oid), NO_RETRIES);

  test("a sender can send, schedule and cancel, and cannot receive, peek or manage", async () => {
    const client = clientOf("sender");
    const sender = client.createSender("q");
    await sender.sendMessages([{ body: 1 }, { body: 2 }]);
    const [number] = await sender.scheduleMessages({ body: 3 }, new Date(Date.now() + SOON_MS));
    await sender.cancelScheduledMessages(number!);
    const receiver = client.createReceiver("q");
    await expect(receiver.receiveMessages(1)).rejects.toMatchObject({
      ...UNAUTHORIZED,
      message: expect.stringMatching(
        /Unauthorized access\. 'Listen' claim\(s\) are required .* Resource: 'sb:\/\/127\.0\.0\.1\/q'/,
      ) as string,
    });
    await expect(receiver.peekMessages(1)).rejects.toMatchObject(UNAUTHORIZED);
    await expect(client.createSender("other").sendMessages({ body: 1 })).rejects.toMatchObject(UNAUTHORIZED);
    await expect(fixture.adminAs(tokens.credential("sender")).getQueue("q")).rejects.toMatchObject({
      ...{ code: "UnauthorizedRequestError", statusCode: 401 },
      message: expect.stringMatching(/'Manage' claim/) as string,
    });
  });

  test("a receiver can receive, renew, peek and settle, and cannot send or schedule", async () => {
    const client = clientOf("receiver");
    await clientOf("sender").createSender("q").sendMessages({ body: 1 });
    const receiver = client.createReceiver("q");
    const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 20_000 });
    expect((await receiver.renewMessageLock(message!)).getTime()).toBeGreaterThan(Date.now());
    await receiver.deadLetterMessage(message!);
    const deadLetters = client.createReceiver("q", { subQueueType: "deadLetter", receiveMode: "receiveAndDelete" });
    expect(await deadLetters.peekMessages(5)).toHaveLength(1);
    expect(await deadLetters.receiveMessages(1, { maxWaitTimeInMs: 20_000 })).toHaveLength(1);
    const sender = client.createSender("q");
    await expect(sender.sendMessages({ body: 1 })).rejects.toMatchObject(UNAUTHORIZED);
    await expect(sender.scheduleMessages({ body: 1 }, new Date(Date.now() + SOON_MS))).rejects.toMatchObject(
      UNAUTHORIZED,
    );
    expect(await receiver.peekMessages(5)).toEqual([]);
  });

  test("a right on a subscription covers its rules, but not its topic or other subscriptions", async () => {
    const client = clientOf("subscriber");
    await clientOf("owner").createSender("t").sendMessages({ body: 1 });
    const receiver = client.createReceiver("t", "s");
    expect(await receiver.receiveMessages(1, { maxWaitTimeInMs: 20_000 })).toHaveLength(1);
    const rules = client.createRuleManager("t", "s");
    await rules.createRule("r", { sqlExpression: "a = 1" });
    expect((await all(rules.listRules())).map(({ name }) => name)).toContain("r");
    const neighbour = client.createReceiver("t", "s2");
    await expect(neighbour.receiveMessages(1)).rejects.toMatchObject(UNAUTHORIZED);
    await expect(client.createSender("t").sendMessages({ body: 1 })).rejects.toMatchObject(UNAUTHORIZED);
  });

  test("the owner of a topic can create subscriptions and rules, and forward only to entities that it manages", async () => {
    const admin = fixture.adminAs(tokens.credential("owner"));
    await admin.createSubscription("t", "made", {
      defaultRuleOptions: { name: "r", filter: { sqlExpression: "a = 1" } },
    });
    await admin.createRule("t", "made", "r2", { sqlExpression: "a = 2" });
    expect((await all(admin.listSubscriptions("t"))).map(({ subscriptionName }) => subscriptionName)).toEqual(
      expect.arrayContaining(["s", "s2", "made"]),
    );
    expect(await all(admin.listRules("t", "made"))).toHaveLength(2);
    expect(await admin.getSubscriptionRuntimeProperties("t", "made")).toMatchObject({ activeMessageCount: 0 });
    await expect(admin.createSubscription("t", "forwards", { forwardTo: "q" })).rejects.toMatchObject({
      ...{ code: "UnauthorizedRequestError", message: expect.stringMatching(/'Manage' claim.*\/q'/) as string },
    });
    await expect(admin.getQueue("q")).rejects.toMatchObject({ statusCode: 401 });
    await expect(all(admin.listTopics())).rejects.toMatchObject({ statusCode: 401 });
    await expect(admin.createTopic("t2")).rejects.toMatchObject({ statusCode: 401 });
    const root = fixture.adminAs(tokens.credential("root"));
    await root.createSubscription("t", "forwards", { forwardTo: "q" });
    expect(await all(root.listTopics())).toHaveLength(1);
    expect(await root.getNamespaceProperties()).toMatchObject({ messagingSku: "Standard" });
  });

  test("accepting a session needs the right to listen", async () => {
    const owner = clientOf("root");
    await owner.createSender("sessions").sendMessages({ body: 1, sessionId: "a" });
    const session = await owner.acceptSession("sessions", "a");
    await session.setSessionState("state");
    expect(await session.receiveMessages(1, { maxWaitTimeInMs: 20_000 })).toHaveLength(1);
    await session.close();
    await expect(clientOf("receiver").acceptNextSession("sessions")).rejects.toMatchObject(UNAUTHORIZED);
  });

  test("forged tokens are refused with a reason, over AMQP and HTTP", async () => {
    for (const [claims, message] of [
      [{ exp: 1_000 }, /ExpiredToken: The token is expired/],
      [{ iss: "https://other.example" }, /InvalidIssuer/],
      [{ aud: "https://storage.azure.com" }, /InvalidAudience/],
    ] as const) {
      const credential = tokens.credential("root", { claims: () => claims });
      const sender = fixture.clientAs(credential, NO_RETRIES).createSender("q");
      await expect(sender.sendMessages({ body: 1 })).rejects.toMatchObject({
        ...UNAUTHORIZED,
        message: expect.stringMatching(message) as string,
      });
      await expect(fixture.adminAs(credential).getQueue("q")).rejects.toMatchObject({
        ...{ statusCode: 401, message: expect.stringMatching(message) as string },
      });
    }
    expect(faults).toEqual([]);
  });

  test("a new role counts with the next attempt, and a removed role counts until the token expires", async () => {
    const client = fixture.clientAs(tokens.credential("late", { claims: livingFor(5) }), NO_RETRIES);
    const sender = client.createSender("q");
    await expect(sender.sendMessages({ body: 1 })).rejects.toMatchObject(UNAUTHORIZED);
    await tokens.assign({ principalId: "late", entity: "q", rights: ["send"] });
    await sender.sendMessages({ body: 1 });
    await tokens.assign();
    await sender.sendMessages({ body: 2 });
    await eventually(() => expect(sender.sendMessages({ body: 3 })).rejects.toMatchObject(UNAUTHORIZED));
  });

  test("a link stays open while its token is renewed, and closes and frees its session when the token expires", async () => {
    const renewed = fixture.clientAs(tokens.credential("root", { claims: livingFor(6), renewMs: 500 }), NO_RETRIES);
    const forgotten = fixture.clientAs(tokens.credential("root", { claims: livingFor(3) }), NO_RETRIES);
    const kept = subscribed(renewed.createReceiver("q"));
    const sender = renewed.createSender("q");
    await sender.sendMessages({ body: "before" });
    const { errors } = subscribed(forgotten.createReceiver("other"));
    await fixture.client().createSender("sessions").sendMessages({ body: 1, sessionId: "a" });
    await forgotten.acceptSession("sessions", "a");
    await eventually(() =>
      expect(errors[0]).toMatchObject({ ...UNAUTHORIZED, message: expect.stringMatching(/ExpiredToken/) as string }),
    );
    const session = await eventually(() => renewed.acceptSession("sessions", "a"));
    await session.close();
    await sender.sendMessages({ body: "after" });
    await eventually(() => expect(kept.bodies).toEqual(["before", "after"]));
    expect(kept.errors).toEqual([]);
    expect(
      uses.some(
        ({ principalId, right, reason }) =>
          principalId === "root" && right === "listen" && /ExpiredToken/.test(reason ?? ""),
      ),
    ).toBe(true);
  });

  test("the shared access key still works, and each use and refusal is audited once for each connection", async () => {
    const client = clientOf("sender");
    const sender = client.createSender("q");
    for (let count = 0; count < 5; count++) await sender.sendMessages({ body: count });
    await sender.scheduleMessages({ body: 5 }, new Date(Date.now() + SOON_MS));
    await expect(client.createReceiver("q").receiveMessages(1)).rejects.toMatchObject(UNAUTHORIZED);
    const key = fixture.client().createReceiver("q", { receiveMode: "receiveAndDelete" });
    expect(await key.receiveMessages(1, { maxWaitTimeInMs: 20_000 })).toHaveLength(1);
    expect(uses).toEqual([
      { principalId: "sender", entity: "q", right: "send", allowed: true },
      { principalId: "sender", entity: "q", right: "listen", allowed: false, reason: expect.any(String) as string },
      { principalId: "RootManageSharedAccessKey", entity: "q", right: "listen", allowed: true },
    ]);
  });
});

test("the command reads an access file and writes its decisions to an audit file", async () => {
  await using tokens = await startBusTokens({ principalId: "p", entity: "q", rights: ["send"] });
  await using directory = await temporaryDirectory();
  const audit = join(directory.path, "audit.jsonl");
  await using bus = await startBusProcess({ queues: [{ name: "q" }] }, [
    "--access",
    tokens.accessFile,
    "--audit",
    audit,
  ]);
  const address = `http://127.0.0.1:${bus.adminPort}/q`;
  const ask = async (token: string) => {
    const response = await fetch(address, { headers: { authorization: `Bearer ${token}` } });
    return { status: response.status, body: await response.text() };
  };
  expect(await ask(await tokens.token("p"))).toEqual({
    status: 401,
    body: expect.stringMatching(
      /^<Error><Code>401<\/Code><Detail>Unauthorized access\. .*Manage.*<\/Detail><\/Error>$/,
    ) as string,
  });
  await tokens.assign({ principalId: "p", entity: "q", rights: ["manage"] });
  expect(await ask(await tokens.token("p"))).toMatchObject({ status: 200 });
  expect(await ask("nonsense")).toMatchObject({ status: 401, body: expect.stringMatching(/MalformedToken/) as string });
  const lines = (await readFile(audit, "utf8")).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { at: expect.any(String) as string, principalId: "p", entity: "q", right: "manage", allowed: false },
    { principalId: "p", entity: "q", right: "manage", allowed: true },
    {
      principalId: null,
      entity: "q",
      right: null,
      allowed: false,
      reason: expect.stringMatching(/Malformed/) as string,
    },
  ]);
});
