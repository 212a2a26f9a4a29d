// The AMQP types and the order of frames that the bus writes. The SDK for JavaScript does not check them, but others do.
import { createHmac, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  connectRaw,
  coordinator,
  decodeStrictly,
  deliveryAnnotations,
  frames,
  mapOf,
  openRequestLinks,
  watchFrames,
  type RawConnection,
} from "../support/amqp-probe.ts";
import { startBus, type BusFixture } from "../support/start-bus.ts";
import { encodeMessage, types } from "../../amqp/rhea.ts";

const KEY = "secret";
const ok = { statusCode: { type: "Int", value: 200 }, statusDescription: { type: "Str", value: "OK" } };

function sasToken(): string {
  const [resource, expiry] = [encodeURIComponent("sb://namespace"), Math.floor(Date.now() / 1_000) + 600];
  const signature = createHmac("sha256", KEY).update(`${resource}\n${expiry}`).digest("base64");
  return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=RootManageSharedAccessKey`;
}

const putToken = (properties: object = {}) => ({
  message_id: 7,
  application_properties: {
    ...{ operation: "put-token", type: "servicebus.windows.net:sastoken", name: "sb://namespace/" },
    ...properties,
  },
  body: sasToken(),
});

const operation = (name: string, body: object, fields: object = {}) => ({
  message_id: randomUUID(),
  application_properties: { operation: `com.microsoft:${name}` },
  body,
  ...fields,
});

async function receiveAll(receiver: ServiceBusReceiver, count: number): Promise<ServiceBusReceivedMessage[]> {
  const found: ServiceBusReceivedMessage[] = [];
  while (found.length < count) found.push(...(await receiver.receiveMessages(count - found.length)));
  return found;
}

describe("what the local Service Bus writes", () => {
  let fixture: BusFixture;
  let dataDir: string;
  const connections: RawConnection[] = [];

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "jobyard-test-"));
    fixture = await startBus(
      {
        queues: [
          { name: "q" },
          { name: "aborted" },
          { name: "busy" },
          { name: "s", requiresSession: true },
          { name: "deleted" },
        ].concat([{ name: "listed", requiresSession: true }]),
        topics: [{ name: "t", subscriptions: [{ name: "s" }] }],
      },
      { sasKey: KEY, dataDir },
    );
  });
  afterAll(async () => {
    for (const connection of connections) connection.close();
    await fixture[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true });
  });

  const connect = (options: object = {}) => {
    const connection = connectRaw(fixture.bus.port, options);
    for (const event of ["disconnected", "connection_error", "sender_error", "receiver_error"]) {
      connection.on(event, () => undefined);
    }
    connections.push(connection);
    return connection;
  };
  const open = async () => {
    const connection = connect();
    const cbs = openRequestLinks(connection, "$cbs", "cbs-replies");
    await cbs.request(putToken());
    return { connection, cbs };
  };
  const manage = async (node: string) => openRequestLinks((await open()).connection, `${node}/$management`, "replies");

  test("answers a token with an int and a text, and repeats the type of the request's id", async () => {
    const cbs = openRequestLinks(connect(), "$cbs", "cbs-replies");
    const { properties, applicationProperties } = await cbs.request(putToken());
    expect(applicationProperties).toEqual({
      "status-code": { type: "Int", value: 202 },
      "status-description": { type: "Str", value: "Accepted" },
    });
    expect(properties[5]).toMatchObject({ type: "Ulong", value: 7 });
    const uuid = types.wrap_uuid(Buffer.alloc(16, 1));
    const again = await cbs.request({ ...putToken(), message_id: uuid });
    expect(again.properties[5]).toMatchObject({ type: "Uuid", value: uuid.value });
    const bytes = types.wrap(Buffer.from("id"));
    const third = await cbs.request({ ...putToken(), message_id: bytes });
    expect(third.properties[5]).toMatchObject({ type: "Vbin", value: bytes.value });
  });

  test("answers requests that name no reply link, each on the connection it came from", async () => {
    const first = openRequestLinks(connect(), "$cbs", undefined);
    const second = openRequestLinks(connect(), "$cbs", undefined);
    const [one, other] = await Promise.all([
      first.request({ ...putToken(), message_id: "one" }),
      second.request({ ...putToken(), message_id: "other" }),
    ]);
    expect([one.properties[5]?.value, other.properties[5]?.value]).toEqual(["one", "other"]);
  });

  test("settles a request before it answers it", async () => {
    const { connection } = await open();
    const codes = watchFrames(connection.socket);
    const count = { "from-sequence-number": types.wrap_long(0), "message-count": types.wrap_int(1) };
    await openRequestLinks(connection, "q/$management", "replies").request(operation("peek-message", count));
    const [DISPOSITION, TRANSFER] = [0x15, 0x14];
    expect(codes.filter((code) => code === DISPOSITION || code === TRANSFER)).toEqual([DISPOSITION, TRANSFER]);
  });

  test("removes a token, and refuses other operations and types of tokens", async () => {
    const { cbs, connection } = await open();
    const status = async (properties: object) => {
      const { applicationProperties } = await cbs.request(putToken(properties));
      return [applicationProperties["status-code"], applicationProperties["error-condition"]];
    };
    const refused = (code: number, condition: string) => [
      ...[
        { type: "Int", value: code },
        { type: "Sym", value: condition },
      ],
    ];
    expect(await status({ operation: "renew-token" })).toEqual(refused(501, "amqp:not-implemented"));
    expect(await status({ type: "amqp:swt" })).toEqual(refused(400, "com.microsoft:argument-error"));
    expect(await status({ operation: "delete-token" })).toEqual([{ type: "Int", value: 202 }, undefined]);
    const sender = connection.open_sender("q");
    await new Promise<void>((resolve) => sender.once("sender_error", () => resolve()));
    expect(sender.error).toMatchObject({ condition: "amqp:unauthorized-access" });
  });

  test("answers management requests in the documented types", async () => {
    const { request } = await manage("q");
    const later = new Date(Date.now() + 3_600_000);
    const message = encodeMessage({
      ...{ message_id: "m", body: "x" },
      message_annotations: { "x-opt-scheduled-enqueue-time": later },
    });
    const entry = types.wrap_map({ "message-id": "m", message });
    const scheduled = await request(operation("schedule-message", { messages: types.wrap_list([entry]) }));
    expect(scheduled.applicationProperties).toEqual(ok);
    const numbers = mapOf(scheduled.body)["sequence-numbers"];
    expect(numbers).toMatchObject({ type: "Array", value: [{ type: "Long", value: 1 }] });

    const peeked = await request(
      operation("peek-message", {
        "from-sequence-number": types.wrap_long(0),
        "message-count": types.wrap_int(1),
      }),
    );
    const [found] = mapOf(peeked.body)["messages"]!.value as never[];
    expect(mapOf(found!)["message"]).toMatchObject({ type: "Vbin" });

    const absent = await request(
      operation("receive-by-sequence-number", { "sequence-numbers": [9], "receiver-settle-mode": 1 }),
    );
    expect(absent.applicationProperties).toMatchObject({
      statusCode: { type: "Int", value: 404 },
      errorCondition: { type: "Sym", value: "com.microsoft:message-not-found" },
    });
    const nothing = await request(operation("batch-delete-messages", { "message-count": types.wrap_int(1) }));
    expect(nothing.applicationProperties["statusCode"]).toEqual({ type: "Int", value: 204 });
  });

  test("deletes waiting messages enqueued before an instant, and keeps locked, deferred and scheduled ones", async () => {
    const client = fixture.client();
    const sender = client.createSender("deleted");
    const receiver = client.createReceiver("deleted");
    await sender.sendMessages(["locked", "deferred", 1, 2, 3].map((body) => ({ body })));
    await sender.scheduleMessages({ body: "scheduled" }, new Date(Date.now() + 3_600_000));
    const [, second] = await receiveAll(receiver, 2);
    await receiver.deferMessage(second!);
    const { request } = await manage("deleted");
    const remove = async (count: number, before?: Date) => {
      const instant = before && { "enqueued-time-utc": types.wrap_timestamp(before.getTime()) };
      const body = { "message-count": types.wrap_int(count), ...instant };
      return request(operation("batch-delete-messages", body));
    };
    const early = await remove(10, new Date(Date.now() - 3_600_000));
    expect(early.applicationProperties["statusCode"]).toEqual({ type: "Int", value: 204 });
    const later = new Date(Date.now() + 3_600_000);
    expect(mapOf((await remove(2, later)).body)).toEqual({ "message-count": { type: "Int", value: 2 } });
    expect(mapOf((await remove(10, later)).body)).toEqual({ "message-count": { type: "Int", value: 1 } });
    const left = (await client.createReceiver("deleted").peekMessages(10)).map(({ body }) => body as unknown);
    expect(left).toEqual(["locked", "deferred", "scheduled"]);
    expect((await remove(4_001)).applicationProperties["statusCode"]).toEqual({ type: "Int", value: 400 });
  });

  test("lists sessions with active messages when asked for them", async () => {
    const client = fixture.client();
    await client.createSender("listed").sendMessages(["x", "y"].map((sessionId) => ({ body: 1, sessionId })));
    const session = await client.acceptSession("listed", "x");
    const [message] = await session.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
    await session.deferMessage(message!);
    const { request } = await manage("listed");
    const sessions = async (since: number) => {
      const body = { "last-updated-time": types.wrap_timestamp(since) };
      return mapOf((await request(operation("get-message-sessions", body))).body)["sessions-ids"];
    };
    expect(await sessions(0)).toMatchObject({ value: [{ value: "x" }, { value: "y" }] });
    expect(await sessions(253_402_300_800_000)).toMatchObject({ value: [{ value: "y" }] });
  });

  test("writes rules, session pages and session locks in the documented types", async () => {
    const rules = await (await manage("t/Subscriptions/s")).request(operation("enumerate-rules", {}));
    const [rule] = mapOf(rules.body)["rules"]!.value as never[];
    expect(mapOf(rule!)["rule-description"]).toMatchObject({ type: "List", descriptor: { value: 1_335_734_829_060 } });

    const client = fixture.client();
    await client.createSender("s").sendMessages({ body: 1, sessionId: "a" });
    const { request } = await manage("s");
    const sessions = await request(operation("get-message-sessions", { "last-updated-time": new Date(0) }));
    expect(mapOf(sessions.body)["skip"]).toEqual({ type: "Int", value: 1 });
    await client.acceptSession("s", "a");
    const renewed = await request(operation("renew-session-lock", { "session-id": "a" }));
    expect(mapOf(renewed.body)["expiration"]).toMatchObject({ type: "Timestamp" });
  });

  test("puts the lock token of a deferred message into its delivery annotations", async () => {
    const client = fixture.client();
    await client.createSender("q").sendMessages({ body: "deferred" });
    const receiver = client.createReceiver("q");
    const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
    await receiver.deferMessage(message!);
    const { request } = await manage("q");
    const numbers = types.wrap_list([types.wrap_long(message!.sequenceNumber!.toNumber())]);
    const { body } = await request(
      operation("receive-by-sequence-number", { "sequence-numbers": numbers, "receiver-settle-mode": 1 }),
    );
    const [received] = mapOf(body)["messages"]!.value as never[];
    const { message: encoded, "lock-token": token } = mapOf(received!);
    expect(token).toMatchObject({ type: "Uuid" });
    expect(deliveryAnnotations(encoded!.value as Buffer)).toEqual({ "x-opt-lock-token": token });
  });

  test("answers a session link with the address that the client wrote, and the session it got", async () => {
    await fixture.client().createSender("s").sendMessages({ body: 1, sessionId: "b" });
    const { connection } = await open();
    const address = "amqps://namespace/s";
    const link = connection.open_receiver({ source: { address, filter: { "com.microsoft:session-filter": null } } });
    await new Promise<void>((resolve) => link.once("receiver_open", () => resolve()));
    const { source, properties } = link.remote.attach;
    expect(source).toMatchObject({ address, filter: { "com.microsoft:session-filter": "b" } });
    // Ticks are too large for a number, so the library returns the eight bytes of a long.
    expect(properties["com.microsoft:locked-until-utc"]).toBeInstanceOf(Buffer);
  });

  test.each<[string, Buffer | undefined]>([
    ["is too large", Buffer.alloc(300_000)],
    ["is malformed", undefined],
  ])("answers a management request that %s", async (_what, body) => {
    const { connection } = await open();
    const replies = connection.open_receiver({ source: { address: "q/$management" }, target: { address: "replies" } });
    const sender = connection.open_sender({ target: { address: "q/$management" } });
    await new Promise<void>((resolve) => sender.once("sendable", () => resolve()));
    const answered = new Promise<Buffer>((resolve) => replies.once("message", ({ message }) => resolve(message!)));
    const request = encodeMessage(operation("schedule-message", { body }, { message_id: "big", reply_to: "replies" }));
    sender.send(body ? request : request.subarray(0, request.length - 3), undefined, 0);
    const { properties, applicationProperties } = decodeStrictly(await answered);
    expect(properties[5]).toEqual({ type: "Str", value: "big" });
    expect([applicationProperties["statusCode"], applicationProperties["errorCondition"]]).toEqual(
      body
        ? [
            { type: "Int", value: 403 },
            { type: "Sym", value: "amqp:link:message-size-exceeded" },
          ]
        : [
            { type: "Int", value: 400 },
            { type: "Sym", value: "com.microsoft:argument-error" },
          ],
    );
  });

  test("closes the link of a request whose head cannot be read", async () => {
    const { connection } = await open();
    const sender = connection.open_sender({ target: { address: "q/$management" } });
    await new Promise<void>((resolve) => sender.once("sendable", () => resolve()));
    const ended = new Promise<void>((resolve) => sender.once("sender_error", () => resolve()));
    sender.send(Buffer.from([1, 2, 3]), undefined, 0);
    await ended;
    expect(sender.error).toMatchObject({ condition: "com.microsoft:argument-error" });
  });

  test("answers every drain, also while messages of others are being written to the disk", async () => {
    const { connection } = await open();
    const sender = fixture.client().createSender("busy");
    const done = new AbortController();
    const sending = (async () => {
      while (!done.signal.aborted) await sender.sendMessages({ body: "x".repeat(10_000) });
    })();
    const receiver = connection.open_receiver({ source: "aborted", credit_window: 0 });
    await new Promise<void>((resolve) => receiver.once("receiver_open", () => resolve()));
    for (let i = 0; i < 200; i++) {
      const drained = new Promise<void>((resolve) => receiver.once("receiver_drained", () => resolve()));
      receiver.add_credit(1);
      receiver.drain_credit();
      await drained;
    }
    done.abort();
    await sending;
  });

  test("ignores an aborted transfer, and accepts the next message", async () => {
    const { connection } = await open();
    const sender = connection.open_sender("aborted");
    await new Promise<void>((resolve) => sender.once("sendable", () => resolve()));
    const transfer = (deliveryId: number, fields: object, payload: Buffer) =>
      sender.session.output(
        frames.transfer({
          ...{ handle: sender.local.handle, delivery_id: deliveryId, delivery_tag: Buffer.from([deliveryId]) },
          ...{ message_format: 0, settled: true, ...fields },
        }),
        payload,
      );
    const whole = encodeMessage({ body: "whole" });
    const first = sender.session.outgoing.next_delivery_id;
    transfer(first, { more: true }, encodeMessage({ body: "whole as well, as far as one can see" }));
    transfer(first, { aborted: true }, Buffer.alloc(0));
    transfer(first + 1, { aborted: true }, Buffer.alloc(0));
    transfer(first + 2, {}, whole);
    const receiver = fixture.client().createReceiver("aborted", { receiveMode: "receiveAndDelete" });
    const messages = await receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
    expect(messages.map(({ body }) => body as unknown)).toEqual(["whole"]);
    expect(await receiver.peekMessages(1)).toEqual([]);
  });

  test.each<[string, object, string, RegExp]>([
    ["a coordinator of transactions", coordinator(), "amqp:not-implemented", /transactions/],
    ["a dynamic node", { dynamic: true }, "amqp:not-implemented", /dynamic/],
    ["no address", {}, "com.microsoft:argument-error", /names no entity/],
  ])("refuses a link to %s with a reason", async (_what, target, condition, description) => {
    const { connection } = await open();
    const sender = connection.open_sender({ target: {} });
    // Before the attach is written, at the end of this turn.
    if ("descriptor" in target) sender.local.attach.target = target;
    else sender.set_target(target);
    await new Promise<void>((resolve) => sender.once("sender_error", () => resolve()));
    expect(sender.error).toMatchObject({ condition, description: expect.stringMatching(description) as unknown });
  });

  test("refuses SASL PLAIN with a reason", async () => {
    const connection = connect({ username: "RootManageSharedAccessKey", password: KEY });
    await new Promise<void>((resolve) => connection.on("connection_error", () => resolve()));
    expect(connection.error).toMatchObject({
      ...{ condition: "amqp:not-implemented", description: expect.stringMatching(/SASL PLAIN/) as unknown },
    });
  });

  test("names a missing entity by its address in the namespace the client opened", async () => {
    const { connection } = await open();
    const sender = connection.open_sender("absent");
    await new Promise<void>((resolve) => sender.once("sender_error", () => resolve()));
    expect(sender.error!.description).toBe("The messaging entity 'sb://namespace/absent' could not be found.");
  });
});
