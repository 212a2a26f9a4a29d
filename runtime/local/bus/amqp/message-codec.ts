/** Takes incoming messages apart for the broker, and rewrites the few bytes the broker asks to change. */
import { randomUUID } from "node:crypto";
import { BusError } from "../engine/errors.ts";
import type { FilterableMessage, IncomingMessage, MessageCodec, PropertyChanges } from "../engine/message.ts";
import { asBuffer, encodeCollection, encodeString, encodeSymbol, encodeValue } from "./encoding.ts";
import { decodeMessage, types, type DecodedMessage } from "./rhea.ts";
import {
  itemOffsets,
  listField,
  readScalar,
  scan,
  SECTION,
  skipValue,
  type Section,
  type Sections,
} from "./sections.ts";

const HEADER_TTL = 2;
const PROPERTY = { messageId: 0, groupId: 10 } as const;

const SCHEDULED_AT = "x-opt-scheduled-enqueue-time";

/** Annotations only the broker sets: whatever a sender puts there is dropped. */
const BROKER_ANNOTATIONS = new Set([
  "x-opt-enqueued-time",
  "x-opt-sequence-number",
  "x-opt-enqueue-sequence-number",
  "x-opt-locked-until",
  "x-opt-message-state",
  "x-opt-deadletter-source",
]);

/**
 * Reads what the broker acts on from an encoded message. The result owns its bytes: those of the argument are a piece
 * of a socket buffer, which they would keep in memory.
 *
 * @throws BusError `invalid-argument` when the message is malformed.
 */
export function parseMessage(encoded: Buffer): IncomingMessage {
  const sections = scan(encoded);
  const { body, scheduledAt } = withoutBrokerAnnotations(encoded, sections);
  const knownId = listField(encoded, sections.properties, PROPERTY.messageId);
  const groupId = listField(encoded, sections.properties, PROPERTY.groupId);
  const timeToLiveMs = listField(encoded, sections.header, HEADER_TTL);
  // The SDK's lock renewer cannot work with a message that has no id.
  const messageId = knownId === undefined ? randomUUID().replaceAll("-", "") : String(knownId);
  return {
    body: knownId === undefined ? withMessageId(body, messageId) : body,
    messageId,
    ...(groupId !== undefined && { sessionId: String(groupId) }),
    ...(typeof timeToLiveMs === "number" && { timeToLiveMs }),
    ...(scheduledAt !== undefined && { scheduledAt }),
  };
}

interface StoredBody {
  readonly body: Buffer;
  readonly scheduledAt: number | undefined;
}

/** Drops header and delivery annotations, which end at the broker, and keeps the sender's own message annotations. */
function withoutBrokerAnnotations(encoded: Buffer, sections: Sections): StoredBody {
  const { header, deliveryAnnotations, messageAnnotations } = sections;
  const tail = encoded.subarray(
    Math.max(header?.end ?? 0, deliveryAnnotations?.end ?? 0, messageAnnotations?.end ?? 0),
  );
  if (!messageAnnotations) return { body: Buffer.from(tail), scheduledAt: undefined };
  const kept: Buffer[] = [];
  let scheduledAt: number | undefined;
  for (const { key, start, valueStart, end } of mapEntries(encoded, messageAnnotations)) {
    if (key === SCHEDULED_AT) scheduledAt = toNumber(readScalar(encoded, valueStart));
    if (!BROKER_ANNOTATIONS.has(key)) kept.push(encoded.subarray(start, end));
  }
  if (kept.length === 0) return { body: Buffer.from(tail), scheduledAt };
  const annotations = encodeCollection(SECTION.messageAnnotations, "map", kept.length * 2, Buffer.concat(kept));
  return { body: Buffer.concat([annotations, tail]), scheduledAt };
}

const toNumber = (value: string | number | undefined): number | undefined =>
  typeof value === "number" ? value : undefined;

interface MapEntry {
  readonly key: string;
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

function* mapEntries(buffer: Buffer, section: Section): IterableIterator<MapEntry> {
  const offsets = itemOffsets(buffer, section);
  for (let index = 0; index + 2 < offsets.length; index += 2) {
    const [start = 0, valueStart = 0, end = 0] = offsets.slice(index, index + 3);
    yield { key: String(readScalar(buffer, start)), start, valueStart, end };
  }
}

function withMessageId(body: Buffer, messageId: string): Buffer {
  const { messageAnnotations, properties } = scan(body);
  const id = encodeString(messageId);
  const start = properties?.start ?? messageAnnotations?.end ?? 0;
  let fields = id;
  let count = 1;
  if (properties) {
    const offsets = itemOffsets(body, properties);
    const [, second, last = second] = [offsets[0], offsets[1], offsets.at(-1)];
    if (second !== undefined) fields = Buffer.concat([id, body.subarray(second, last)]);
    count = Math.max(1, offsets.length - 1);
  }
  const section = encodeCollection(SECTION.properties, "list", count, fields);
  return Buffer.concat([body.subarray(0, start), section, body.subarray(properties?.end ?? start)]);
}

/** Values keep their AMQP types: properties that do not change are copied as bytes. */
function withApplicationProperties(stored: Uint8Array, changes: PropertyChanges): Buffer {
  const body = asBuffer(stored);
  const { applicationProperties, properties, messageAnnotations } = scan(body);
  const start = applicationProperties?.start ?? properties?.end ?? messageAnnotations?.end ?? 0;
  const parts: Buffer[] = [];
  if (applicationProperties) {
    for (const entry of mapEntries(body, applicationProperties)) {
      if (!(entry.key in changes)) parts.push(body.subarray(entry.start, entry.end));
    }
  }
  for (const [key, value] of Object.entries(changes)) {
    parts.push(Buffer.concat([encodeString(key), encodeProperty(key, value)]));
  }
  const section = encodeCollection(SECTION.applicationProperties, "map", parts.length * 2, Buffer.concat(parts));
  return Buffer.concat([body.subarray(0, start), section, body.subarray(applicationProperties?.end ?? start)]);
}

function encodeProperty(key: string, value: unknown): Buffer {
  try {
    const encoded = encodeValue(types.wrap(value));
    skipValue(encoded, 0);
    return encoded;
  } catch (error) {
    throw new BusError(
      "invalid-argument",
      `The property '${key}' has a value that cannot be encoded: ${String(error)}`,
    );
  }
}

/** Filter names of system properties and rhea's names for them. */
const SYSTEM_PROPERTIES: Readonly<Record<string, string>> = {
  messageid: "message_id",
  correlationid: "correlation_id",
  to: "to",
  replyto: "reply_to",
  label: "subject",
  subject: "subject",
  sessionid: "group_id",
  replytosessionid: "reply_to_group_id",
  contenttype: "content_type",
};

/** Decodes a section the first time a filter asks for something in it. */
function filterable(stored: Uint8Array): FilterableMessage {
  const body = asBuffer(stored);
  let sections: Sections | undefined;
  const decode = (name: "properties" | "applicationProperties"): DecodedMessage => {
    const section = (sections ??= scan(body))[name];
    return section ? decodeMessage(body.subarray(section.start, section.end)) : {};
  };
  let properties: DecodedMessage | undefined;
  let application: ReadonlyMap<string, unknown> | undefined;
  return {
    system: (name) => (properties ??= decode("properties"))[SYSTEM_PROPERTIES[name] ?? ""],
    application: (name) => {
      // Names are compared without regard to case, as filters do.
      application ??= new Map(
        Object.entries(decode("applicationProperties").application_properties ?? {}).map(([key, value]) => [
          key.toLowerCase(),
          value,
        ]),
      );
      return application.get(name.toLowerCase());
    },
  };
}

export const amqpCodec: MessageCodec = { filterable, withApplicationProperties };

/** A pair for the message annotations of a delivery. */
export const annotation = (key: string, value: unknown): Buffer =>
  Buffer.concat([encodeSymbol(key), encodeValue(types.wrap(value))]);
