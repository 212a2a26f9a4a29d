/**
 * A bare AMQP client that shows what the local Service Bus writes: responses as bytes, their values with their AMQP
 * types, and the order of frames. It uses the server's private copy of the library, which does not decode messages.
 */
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { types, encodeMessage } from "../../amqp/rhea.ts";
import { scan } from "../../amqp/sections.ts";

/** A value as it was encoded: the name of its AMQP type, and what it holds. */
export interface Encoded {
  readonly type: string;
  readonly value: unknown;
  readonly descriptor?: { readonly value: unknown };
}

interface RawTyped {
  readonly type: { readonly name: string };
  readonly value: unknown;
  readonly descriptor?: { readonly value: unknown };
}

interface RawLink {
  send(message: Buffer | object, tag?: Buffer, format?: number): object;
  add_credit(count: number): void;
  drain_credit(): void;
  on(event: string, handler: (context: RawContext) => void): void;
  once(event: string, handler: (context: RawContext) => void): void;
  readonly error?: { readonly condition: string; readonly description: string };
  set_target(fields: object): void;
  readonly local: { readonly handle: number; readonly attach: { target?: object } };
  readonly remote: {
    readonly attach: { readonly source: object; readonly properties: Readonly<Record<string, unknown>> };
  };
  readonly session: {
    readonly outgoing: { readonly next_delivery_id: number };
    output(frame: object, payload: Buffer): void;
  };
}

export interface RawContext {
  readonly message?: Buffer;
}

export interface RawConnection {
  readonly socket: Socket;
  readonly error?: { readonly condition: string; readonly description: string };
  open_sender(options: object | string): RawLink;
  open_receiver(options: object | string): RawLink;
  close(): void;
  on(event: string, handler: (context: RawContext) => void): void;
}

interface RawContainer {
  connect(options: object): RawConnection;
}

const load = createRequire(import.meta.url);
const library = load("rhea-emulator") as { create_container(options: object): RawContainer };

/** Frames to write one by one. */
export const frames = load("rhea-emulator/lib/frames.js") as { transfer(fields: object): object };

export const connectRaw = (port: number, options: object = {}): RawConnection =>
  library
    .create_container({ id: "probe" })
    .connect({ host: "127.0.0.1", port, username: "anonymous", reconnect: false, hostname: "namespace", ...options });

/** The type of an encoding of the library, without the width: `Str8` and `Str32` are both `Str`. */
const nameOf = (name: string): string => name.replace(/^(Small)?(.*?)(0|8|32)?$/, "$2");

function simplify(typed: unknown): unknown {
  if (Array.isArray(typed)) return typed.map(simplify);
  if (typeof typed !== "object" || typed === null || !("type" in typed)) return typed;
  const { type, value, descriptor } = typed as RawTyped;
  return { type: nameOf(type.name), value: simplify(value), ...(descriptor && { descriptor }) };
}

export interface RawResponse {
  readonly properties: readonly Encoded[];
  readonly applicationProperties: Readonly<Record<string, Encoded>>;
  readonly body: Encoded;
}

const read = (bytes: Buffer): Encoded => simplify(new types.Reader(bytes).read()) as Encoded;

export const mapOf = ({ value }: Encoded): Record<string, Encoded> => {
  const items = value as readonly Encoded[];
  return Object.fromEntries(
    Array.from({ length: items.length / 2 }, (_, index) => [String(items[2 * index]?.value), items[2 * index + 1]!]),
  );
};

export function decodeStrictly(message: Buffer): RawResponse {
  const { properties, applicationProperties, bodyStart } = scan(message);
  return {
    properties: read(message.subarray(properties!.start, properties!.end)).value as Encoded[],
    applicationProperties: mapOf(read(message.subarray(applicationProperties!.start, applicationProperties!.end))),
    body: read(message.subarray(bodyStart)),
  };
}

export function deliveryAnnotations(message: Buffer): Record<string, Encoded> {
  const { deliveryAnnotations: section } = scan(message);
  return section ? mapOf(read(message.subarray(section.start, section.end))) : {};
}

/** The descriptor codes of the frames that arrive, in their order. */
export function watchFrames(socket: Socket): number[] {
  const codes: number[] = [];
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const isHeader = rest.subarray(0, 4).toString("latin1") === "AMQP";
      const size = isHeader ? 8 : rest.length >= 4 ? rest.readUInt32BE(0) : Infinity;
      if (rest.length < size) return;
      if (!isHeader && size > 8) codes.push(rest[4 * rest[4]! + 2]!);
      rest = rest.subarray(size);
    }
  });
  return codes;
}

/** A pair of links to a node that answers requests. */
export function openRequestLinks(connection: RawConnection, node: string, replyTo: string | undefined) {
  const receiver = connection.open_receiver({ source: { address: node }, target: { address: replyTo ?? "nameless" } });
  const sender = connection.open_sender({ target: { address: node } });
  const sendable = new Promise<void>((resolve) => sender.once("sendable", () => resolve()));
  return {
    sender,
    request: async (fields: object): Promise<RawResponse> => {
      await sendable;
      const answered = new Promise<Buffer>((resolve) => receiver.once("message", ({ message }) => resolve(message!)));
      sender.send(encodeMessage({ ...(replyTo !== undefined && { reply_to: replyTo }), ...fields }), undefined, 0);
      return decodeStrictly(await answered);
    },
  };
}

/** The target of a link that controls transactions. */
export const coordinator = (): object => {
  const empty = types.wrap_list([]);
  return types.described(types.wrap_ulong(0x30), empty);
};
