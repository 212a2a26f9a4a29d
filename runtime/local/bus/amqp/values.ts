/**
 * AMQP values: small encoders where rhea's generic writer would cost too much per message, lock tokens, and readers for the
 * maps that rhea decodes.
 */
import { types } from "./rhea.ts";

/** A view on the same bytes. The engine and the journal use Uint8Array only. */
export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function encodeValue(value: unknown): Buffer {
  const writer = new types.Writer();
  writer.write(value);
  return writer.toBuffer();
}

export const encodeString = (text: string): Buffer => encodeValue(types.wrap_string(text));

export const encodeUbyte = (value: number | undefined): Buffer =>
  value === undefined ? Buffer.from([0x40]) : Buffer.from([0x50, value]);

export const encodeUuid = (uuid: Buffer): Buffer => Buffer.concat([Buffer.from([0x98]), uuid]);

/** A short symbol, as annotation keys are. */
export function encodeSymbol(text: string): Buffer {
  return Buffer.concat([Buffer.from([0xa3, text.length]), Buffer.from(text, "ascii")]);
}

/** A section that is a list (properties) or map (annotations, application properties) of encoded items. */
export function encodeCollection(section: number, kind: "list" | "map", count: number, items: Buffer): Buffer {
  const head = Buffer.allocUnsafe(12);
  head[0] = 0x00;
  head[1] = 0x53;
  head[2] = section;
  head[3] = kind === "list" ? 0xd0 : 0xd1;
  head.writeUInt32BE(items.length + 4, 4);
  head.writeUInt32BE(count, 8);
  return Buffer.concat([head, items]);
}

/** Writes an integer of up to 53 bits as eight bytes. */
export function writeInt64(buffer: Buffer, value: number, offset: number): number {
  buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), offset);
  return buffer.writeUInt32BE(value >>> 0, offset + 4);
}

/** A sequence number for an array of longs: rhea reads and writes eight bytes without loss. */
export function int64(value: number): Buffer {
  const buffer = Buffer.allocUnsafe(8);
  buffer.writeBigInt64BE(BigInt(value));
  return buffer;
}

// A lock token is a UUID. On a link it is the 16-byte delivery tag, in the byte order of a .NET Guid. In management requests
// and in the SDK it is in reading order.

const GUID_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;

export function tokenToTag(token: string): Buffer {
  const uuid = tokenToUuid(token);
  const tag = Buffer.allocUnsafe(16);
  for (let index = 0; index < 16; index++) tag[index] = uuid[GUID_ORDER[index] ?? 0] ?? 0;
  return tag;
}

export const tokenToUuid = (token: string): Buffer => Buffer.from(token.replaceAll("-", ""), "hex");

/** The text form of 16 bytes in reading order. */
export function uuidToToken(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

// rhea decodes some maps as objects, and others as typed lists of alternating keys and values.

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** The value within a typed wrapper; anything else as it is. */
export const unwrap = (value: unknown): unknown =>
  isObject(value) && "type" in value && "value" in value ? value["value"] : value;

/** A map as a plain object; empty when there is none. */
export function plainMap(map: unknown): Record<string, unknown> {
  const inner = unwrap(map);
  const plain: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  if (Array.isArray(inner)) {
    const items: readonly unknown[] = inner;
    for (let index = 0; index + 1 < items.length; index += 2)
      plain[String(unwrap(items[index]))] = keep(items[index + 1]);
  } else if (isObject(inner)) {
    for (const [key, value] of Object.entries(inner)) plain[key] = keep(value);
  }
  return plain;
}

/** Typed scalars become plain. Typed maps and lists stay typed for the caller, who knows their content. */
function keep(value: unknown): unknown {
  const inner = unwrap(value);
  return Array.isArray(inner) ? value : inner;
}

/** A list or array as items; a single value as a list of one; nothing as an empty list. */
export function plainList(value: unknown): readonly unknown[] {
  const inner = unwrap(value);
  if (inner === undefined || inner === null) return [];
  return Array.isArray(inner) ? (inner as readonly unknown[]) : [inner];
}

/** An integer of up to eight bytes as a number. Undefined for anything else. */
export function plainInteger(value: unknown): number | undefined {
  const inner = unwrap(value);
  if (Buffer.isBuffer(inner) && inner.length === 8) return Number(inner.readBigInt64BE(0));
  if (inner instanceof Date) return inner.getTime();
  return typeof inner === "number" && Number.isFinite(inner) ? inner : undefined;
}

export function plainString(value: unknown): string | undefined {
  const inner = unwrap(value);
  return typeof inner === "string" ? inner : undefined;
}

export function plainBytes(value: unknown): Buffer | undefined {
  const inner = unwrap(value);
  return Buffer.isBuffer(inner) ? inner : undefined;
}
