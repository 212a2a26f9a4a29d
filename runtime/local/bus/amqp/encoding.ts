/** Small pieces of AMQP 1.0 encoding, written by hand where rhea's generic writer would cost too much per message. */
import { types } from "./rhea.ts";

/** A view on the same bytes; the engine and the journal speak of Uint8Array only. */
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

/** A section that is a list (properties) or map (annotations, application properties) of already encoded items. */
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
