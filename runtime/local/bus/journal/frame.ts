/**
 * The encoding of records in a file: one frame for each command, so that a command is stored completely or not at all.
 *
 * `length u32 | crc32 u32 | payload`, payload = `json length u32 | json | bodies`. The JSON is the list of records, with
 * lengths instead of bodies. The bodies follow in the same order.
 */
import { crc32 } from "node:zlib";
import type { BrokerRecord } from "../engine/records.ts";

const HEAD_BYTES = 8;

/** More than any command writes. A longer frame is damaged. */
const MAX_FRAME_BYTES = 512 * 1_048_576;

const hasBody = (record: BrokerRecord): record is BrokerRecord & { readonly body: Uint8Array } =>
  "body" in record && (record.body as unknown) !== undefined;

export function encodeFrame(records: readonly BrokerRecord[]): Buffer {
  const bodies: Uint8Array[] = [];
  let bodyBytes = 0;
  const plain = records.map((record) => {
    if (!hasBody(record)) return record;
    bodies.push(record.body);
    bodyBytes += record.body.length;
    return { ...record, body: record.body.length };
  });
  const json = JSON.stringify(plain);
  const jsonBytes = Buffer.byteLength(json);
  const payloadBytes = 4 + jsonBytes + bodyBytes;
  const frame = Buffer.allocUnsafe(HEAD_BYTES + payloadBytes);
  frame.writeUInt32BE(payloadBytes, 0);
  frame.writeUInt32BE(jsonBytes, HEAD_BYTES);
  let at = HEAD_BYTES + 4;
  at += frame.write(json, at);
  for (const body of bodies) {
    frame.set(body, at);
    at += body.length;
  }
  frame.writeUInt32BE(crc32(frame.subarray(HEAD_BYTES)), 4);
  return frame;
}

export interface DecodedFrame {
  readonly records: BrokerRecord[];
  /** Where the next frame begins. */
  readonly end: number;
}

/** The frame at `offset`; undefined when the bytes there are not a complete, undamaged frame. */
export function decodeFrame(file: Buffer, offset: number): DecodedFrame | undefined {
  if (offset + HEAD_BYTES + 4 > file.length) return undefined;
  const payloadBytes = file.readUInt32BE(offset);
  const end = offset + HEAD_BYTES + payloadBytes;
  if (payloadBytes < 4 || payloadBytes > MAX_FRAME_BYTES || end > file.length) return undefined;
  const payload = file.subarray(offset + HEAD_BYTES, end);
  if (crc32(payload) !== file.readUInt32BE(offset + 4)) return undefined;
  const jsonBytes = payload.readUInt32BE(0);
  // The checksum has proved that we wrote this.
  const plain = JSON.parse(payload.toString("utf8", 4, 4 + jsonBytes)) as (BrokerRecord & { body?: unknown })[];
  let at = 4 + jsonBytes;
  const records = plain.map((record): BrokerRecord => {
    if (typeof record.body !== "number") return record;
    // A copy, so that one live message does not keep the whole file in memory.
    const body = Buffer.from(payload.subarray(at, at + record.body));
    at += record.body;
    return { ...record, body } as BrokerRecord;
  });
  return { records, end };
}
