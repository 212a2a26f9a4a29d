/** Encodes a message for a receiver: a fresh header, the broker's annotations, and the stored bytes as they are. */
import type { Delivery, MessageStatus } from "../engine/message.ts";
import { asBuffer, encodeCollection, encodeSymbol, encodeUuid, tokenToUuid, writeInt64 } from "./values.ts";
import { annotation, senderHeader } from "./message-codec.ts";
import { itemOffsets, scan, SECTION } from "./sections.ts";

const KEY = {
  enqueuedAt: encodeSymbol("x-opt-enqueued-time"),
  sequenceNumber: encodeSymbol("x-opt-sequence-number"),
  enqueuedSequenceNumber: encodeSymbol("x-opt-enqueue-sequence-number"),
  lockedUntil: encodeSymbol("x-opt-locked-until"),
  state: encodeSymbol("x-opt-message-state"),
} as const;

const STATE: Readonly<Record<MessageStatus, number>> = { active: 0, deferred: 1, scheduled: 2 };

/** AMQP type codes. */
const LONG = 0x81;
const TIMESTAMP = 0x83;
const SMALL_INT = 0x54;
const UINT = 0x70;
const NULL = 0x40;
const UBYTE = 0x50;
const TRUE = 0x41;
const FALSE = 0x42;

const HEADER_BYTES = 4 + 8 + 1 + 2 + 5 + 1 + 5;
const ANNOTATIONS_HEAD_BYTES = 4 + 8;

export function encodeDelivery(delivery: Delivery): Buffer {
  const body = asBuffer(delivery.body);
  const own = ownParts(body, delivery.deadLetterSource);
  const length =
    HEADER_BYTES + ANNOTATIONS_HEAD_BYTES + 5 * (32 + 9) + own.pairs.length + (body.length - own.bodyStart);
  const out = Buffer.allocUnsafe(length);
  let at = writeHeader(out, delivery, own);
  at = writeAnnotations(out, at, delivery, own);
  at += body.copy(out, at, own.bodyStart);
  return out.subarray(0, at);
}

const LOCK_TOKEN = encodeSymbol("x-opt-lock-token");

/**
 * A delivery within a management response. It has no delivery tag, so clients read the lock token from a delivery
 * annotation.
 */
export function encodeManagedDelivery(delivery: Delivery): Buffer {
  const encoded = encodeDelivery(delivery);
  if (!delivery.lock) return encoded;
  const pair = Buffer.concat([LOCK_TOKEN, encodeUuid(tokenToUuid(delivery.lock.token))]);
  const annotations = encodeCollection(SECTION.deliveryAnnotations, "map", 2, pair);
  const headerEnd = 8 + encoded.readUInt32BE(4);
  return Buffer.concat([encoded.subarray(0, headerEnd), annotations, encoded.subarray(headerEnd)]);
}

interface OwnParts {
  /** The encoded annotations of the sender. */
  readonly pairs: Buffer;
  readonly count: number;
  readonly durable: boolean;
  readonly priority: number | undefined;
  /** Where the rest of the stored bytes begins. */
  readonly bodyStart: number;
}

const NOTHING: OwnParts = { pairs: Buffer.alloc(0), count: 0, durable: false, priority: undefined, bodyStart: 0 };

function ownParts(body: Buffer, deadLetterSource: string | undefined): OwnParts {
  let own = NOTHING;
  // Stored messages begin with the sender's header and annotations, if there are any.
  if (body[1] === 0x53 && (body[2] === SECTION.messageAnnotations || body[2] === SECTION.header)) {
    const { header, messageAnnotations } = scan(body);
    if (header) own = { ...own, ...senderHeader(body, header), bodyStart: header.end };
    if (messageAnnotations) {
      const offsets = itemOffsets(body, messageAnnotations);
      const pairs = body.subarray(offsets[0], offsets.at(-1));
      own = { ...own, pairs, count: offsets.length - 1, bodyStart: messageAnnotations.end };
    }
  }
  if (deadLetterSource === undefined) return own;
  const source = annotation("x-opt-deadletter-source", deadLetterSource);
  return { ...own, pairs: Buffer.concat([own.pairs, source]), count: own.count + 2 };
}

/** durable, priority, ttl, first-acquirer, delivery-count */
function writeHeader(out: Buffer, { timeToLiveMs, deliveryCount }: Delivery, { durable, priority }: OwnParts): number {
  out.set([0x00, 0x53, SECTION.header, 0xd0], 0);
  let at = 12;
  out[at++] = durable ? TRUE : FALSE;
  if (priority === undefined) {
    out[at++] = NULL;
  } else {
    out[at++] = UBYTE;
    out[at++] = priority;
  }
  if (timeToLiveMs === undefined) {
    out[at++] = NULL;
  } else {
    out[at++] = UINT;
    at = out.writeUInt32BE(Math.min(timeToLiveMs, 0xffff_ffff), at);
  }
  out[at++] = FALSE;
  out[at++] = UINT;
  at = out.writeUInt32BE(deliveryCount, at);
  out.writeUInt32BE(at - 8, 4);
  out.writeUInt32BE(5, 8);
  return at;
}

function writeAnnotations(out: Buffer, start: number, delivery: Delivery, own: OwnParts): number {
  out.set([0x00, 0x53, SECTION.messageAnnotations, 0xd1], start);
  let at = start + ANNOTATIONS_HEAD_BYTES;
  let count = own.count;
  const put = (key: Buffer, type: number, value: number): void => {
    at += key.copy(out, at);
    out[at++] = type;
    if (type === SMALL_INT) out[at++] = value;
    else at = writeInt64(out, value, at);
    count += 2;
  };
  put(KEY.enqueuedAt, TIMESTAMP, delivery.enqueuedAt);
  put(KEY.sequenceNumber, LONG, delivery.sequenceNumber);
  put(KEY.enqueuedSequenceNumber, LONG, delivery.enqueuedSequenceNumber);
  if (delivery.lock) put(KEY.lockedUntil, TIMESTAMP, delivery.lock.until);
  if (delivery.status !== "active") put(KEY.state, SMALL_INT, STATE[delivery.status]);
  at += own.pairs.copy(out, at);
  out.writeUInt32BE(at - start - 8, start + 4);
  out.writeUInt32BE(count, start + 8);
  return at;
}
