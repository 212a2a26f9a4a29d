// Who may use the local Service Bus, and what malformed input does to it.
import { createHmac } from "node:crypto";
import { connect } from "node:net";
import { ServiceBusClient } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verifySasToken } from "../../access/sas.ts";
import { startLocalServiceBus } from "../../index.ts";
import { startBus, type BusFixture } from "../support/start-bus.ts";

const NO_RETRIES = { retryOptions: { maxRetries: 0, timeoutInMs: 5_000 } };

describe("the local Service Bus", () => {
  let fixture: BusFixture;
  const faults: unknown[] = [];

  beforeAll(async () => {
    fixture = await startBus({ queues: [{ name: "q" }] }, { onFault: (error) => faults.push(error) });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  const stillServes = async (): Promise<void> => {
    const client = fixture.client();
    await client.createSender("q").sendMessages({ body: "alive" });
    const receiver = client.createReceiver("q", { receiveMode: "receiveAndDelete" });
    expect(await receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 })).toHaveLength(1);
    await client.close();
    expect(faults).toEqual([]);
  };

  test("refuses a wrong key and a wrong key name", { tags: "attack/tokens" }, async () => {
    for (const [pattern, replacement] of [
      [/SharedAccessKey=[^;]+/, "SharedAccessKey=d3Jvbmc="],
      [/SharedAccessKeyName=[^;]+/, "SharedAccessKeyName=Other"],
    ] as const) {
      const client = new ServiceBusClient(fixture.bus.connectionString.replace(pattern, replacement), NO_RETRIES);
      await expect(client.createSender("q").sendMessages({ body: 1 })).rejects.toMatchObject({
        code: "UnauthorizedAccess",
      });
      await client.close();
    }
    await stillServes();
  });

  test("checks signature, key name and expiry of tokens", { tags: "attack/tokens" }, () => {
    const key = { name: "n", key: "k" };
    const token = (resource: string, expiry: number, secret = "k"): string => {
      const encoded = encodeURIComponent(resource);
      const signature = createHmac("sha256", secret).update(`${encoded}\n${expiry}`).digest("base64");
      return `SharedAccessSignature sr=${encoded}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=n`;
    };
    expect(verifySasToken(token("sb://host:1/Queue/", 100), key, 99_000)).toBe("queue");
    expect(verifySasToken(token("sb://host", 100), key, 99_000)).toBe("");
    expect(() => verifySasToken(token("sb://host", 100), key, 100_000)).toThrow(/expired/);
    expect(() => verifySasToken(token("sb://host", 100, "other"), key, 0)).toThrow(/does not match/);
    expect(() => verifySasToken(token("sb://host", 100), { ...key, name: "m" }, 0)).toThrow(/does not match/);
    expect(() => verifySasToken("SharedAccessSignature sr=%zz&sig=a&se=1&skn=n", key, 0)).toThrow(/./);
    expect(() => verifySasToken("Bearer x", key, 0)).toThrow(/not a shared access signature/);
  });

  test("listens on loopback only", { tags: "attack/hosts" }, async () => {
    await expect(
      startLocalServiceBus({ host: "0.0.0.0", port: 0, topology: { queues: [], topics: [] } }),
    ).rejects.toThrow(/loopback only/);
  });

  test("names the missing entity", async () => {
    const client = fixture.client(NO_RETRIES);
    await expect(client.createSender("absent").sendMessages({ body: 1 })).rejects.toMatchObject({
      code: "MessagingEntityNotFound",
    });
    const receiver = client.createReceiver("absent");
    await expect(receiver.receiveMessages(1, { maxWaitTimeInMs: 200 })).rejects.toMatchObject({
      code: "MessagingEntityNotFound",
    });
  });

  test(
    "refuses messages above the size limit and accepts those at the limit",
    { tags: "attack/connections" },
    async () => {
      const client = fixture.client(NO_RETRIES);
      const sender = client.createSender("q");
      const receiver = client.createReceiver("q", { receiveMode: "receiveAndDelete" });
      await expect(sender.sendMessages({ body: Buffer.alloc(262_144) })).rejects.toMatchObject({
        code: "MessageSizeExceeded",
      });
      await sender.sendMessages({ body: Buffer.alloc(261_000, 1) });
      const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
      expect((message!.body as Buffer).length).toBe(261_000);
      await stillServes();
    },
  );

  test("refuses a schedule request above the size limit as well", async () => {
    const sender = fixture.client(NO_RETRIES).createSender("q");
    const later = new Date(Date.now() + 3_600_000);
    await expect(sender.scheduleMessages({ body: "x".repeat(262_144) }, later)).rejects.toMatchObject({
      code: "MessageSizeExceeded",
    });
  });

  test("accepts messages up to the configured limit", async () => {
    await using larger = await startBus({ queues: [{ name: "q" }] }, { maxMessageKilobytes: 1_024 });
    const sender = larger.client(NO_RETRIES).createSender("q");
    await sender.sendMessages({ body: Buffer.alloc(1_000_000, 1) });
    await expect(sender.sendMessages({ body: Buffer.alloc(1_100_000) })).rejects.toMatchObject({
      code: "MessageSizeExceeded",
    });
  });

  const header = Buffer.from("AMQP\x03\x01\x00\x00", "latin1");
  const plainHeader = Buffer.from("AMQP\x00\x01\x00\x00", "latin1");
  const frame = (...bytes: number[]): Buffer => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(bytes.length + 4);
    return Buffer.concat([size, Buffer.from(bytes)]);
  };
  const open = frame(2, 0, 0, 0, 0x00, 0x53, 0x10, 0xc0, 4, 1, 0xa1, 1, 0x61);
  const begin = frame(2, 0, 0, 0, 0x00, 0x53, 0x11, 0xc0, 6, 4, 0x40, 0x43, 0x52, 10, 0x52, 10);

  test.each<[string, Buffer]>([
    ["text", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["another version", Buffer.from("AMQP\x00\x00\x09\x01", "latin1")],
    ["a frame of 4 GiB", Buffer.concat([plainHeader, Buffer.from([0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0])])],
    ["a frame of no bytes", Buffer.concat([plainHeader, Buffer.from([0, 0, 0, 0, 2, 0, 0, 0])])],
    [
      "a list of four billion items",
      Buffer.concat([plainHeader, frame(2, 0, 0, 0, 0x00, 0x53, 0x10, 0xd0, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0x40)]),
    ],
    [
      "an array of four billion nulls",
      Buffer.concat([plainHeader, frame(2, 0, 0, 0, 0x00, 0x53, 0x10, 0xf0, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0x40)]),
    ],
    [
      "deeply nested descriptors",
      Buffer.concat([plainHeader, frame(2, 0, 0, 0, ...new Array<number>(60_000).fill(0))]),
    ],
    [
      "a frame for a session that was never begun",
      Buffer.concat([plainHeader, open, frame(2, 0, 0, 9, 0x00, 0x53, 0x17, 0x45)]),
    ],
    [
      "a disposition of four billion deliveries",
      Buffer.concat([
        ...[plainHeader, open, begin],
        frame(2, 0, 0, 0, 0x00, 0x53, 0x15, 0xc0, 8, 3, 0x41, 0x43, 0x70, 0xff, 0xff, 0xff, 0xff),
      ]),
    ],
    [
      "a transfer on a link that does not exist",
      Buffer.concat([...[plainHeader, open, begin], frame(2, 0, 0, 0, 0x00, 0x53, 0x14, 0xc0, 4, 2, 0x43, 0x43, 0x40)]),
    ],
    [
      "an attach by an inherited name",
      Buffer.concat([
        ...[plainHeader, open, begin],
        frame(2, 0, 0, 0, 0x00, 0x53, 0x12, 0xc0, 15, 3, 0xa1, 9, ...Buffer.from("__proto__"), 0x43, 0x41),
      ]),
    ],
    ["SASL cut short", Buffer.concat([header, frame(2, 1, 0, 0, 0x00, 0x53, 0x41, 0xc0, 200, 3)])],
  ])(
    "closes the connection that sends %s, and serves the others",
    { tags: "attack/connections" },
    async (_what, bytes) => {
      const socket = connect({ port: fixture.bus.port, host: "127.0.0.1" });
      const closed = new Promise<void>((resolve) => {
        socket.on("close", () => resolve()).on("error", () => undefined);
      });
      socket.resume().write(bytes);
      await closed;
      await stillServes();
    },
  );

  test("survives random bytes after a valid opening", { tags: "attack/connections" }, async () => {
    let seed = 42;
    const random = (): number => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff);
    await Promise.all(
      Array.from({ length: 60 }, () => {
        const noise = Buffer.from(Array.from({ length: 200 }, () => random() & 0xff));
        const bytes = Buffer.concat([plainHeader, open, begin, frame(2, 0, 0, 0, 0x00, 0x53, ...noise)]);
        const socket = connect({ port: fixture.bus.port, host: "127.0.0.1" });
        return new Promise<void>((resolve) => {
          socket.on("error", () => undefined).on("close", () => resolve());
          socket.resume().end(bytes);
        });
      }),
    );
    await stillServes();
  });
});
