/** Parses incoming messages for the broker, and rewrites the few bytes that the broker changes. */
import { randomUUID } from "node:crypto";
import { BusError } from "../engine/errors.ts";
import type {
  FilterableMessage,
  IncomingMessage,
  MessageCodec,
  MessageEdits,
  PropertyChanges,
} from "../engine/message.ts";
import { asBuffer, encodeCollection, encodeString, encodeSymbol, encodeUbyte, encodeValue } from "./values.ts";
import { decodeMessage, types, type DecodedMessage, type Typed } from "./rhea.ts";
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

const HEADER = { durable: 0, priority: 1, timeToLive: 2 } as const;
const PROPERTY = { messageId: 0, groupId: 10 } as const;

const SCHEDULED_AT = "x-opt-scheduled-enqueue-time";

/** Annotations that only the broker sets. Those of a sender are dropped. */
const BROKER_ANNOTATIONS = new Set([
  "x-opt-enqueued-time",
  "x-opt-sequence-number",
  "x-opt-enqueue-sequence-number",
  "x-opt-locked-until",
  "x-opt-message-state",
  "x-opt-deadletter-source",
]);

/**
 * Reads the fields that the broker acts on. The result has a copy of the bytes, because a view would keep the whole
 * socket buffer in memory.
 *
 * @throws BusError `invalid-argument` when the message is malformed.
 */
export function parseMessage(encoded: Buffer): IncomingMessage {
  const sections = scan(encoded);
  const { body, scheduledAt } = withoutBrokerAnnotations(encoded, sections);
  const knownId = listField(encoded, sections.properties, PROPERTY.messageId);
  const groupId = listField(encoded, sections.properties, PROPERTY.groupId);
  const timeToLiveMs = listField(encoded, sections.header, HEADER.timeToLive);
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

/**
 * Drops delivery annotations and most of the header, which end at the broker, and keeps the sender's own message
 * annotations.
 */
function withoutBrokerAnnotations(encoded: Buffer, sections: Sections): StoredBody {
  const { header, deliveryAnnotations, messageAnnotations } = sections;
  const tail = encoded.subarray(
    Math.max(header?.end ?? 0, deliveryAnnotations?.end ?? 0, messageAnnotations?.end ?? 0),
  );
  const head = keptHeader(encoded, header);
  if (!messageAnnotations) return { body: Buffer.concat([head, tail]), scheduledAt: undefined };
  const kept: Buffer[] = [];
  let scheduledAt: number | undefined;
  for (const { key, start, valueStart, end } of mapEntries(encoded, messageAnnotations)) {
    if (key === SCHEDULED_AT) scheduledAt = toNumber(readScalar(encoded, valueStart));
    if (!BROKER_ANNOTATIONS.has(key)) kept.push(encoded.subarray(start, end));
  }
  if (kept.length === 0) return { body: Buffer.concat([head, tail]), scheduledAt };
  const annotations = encodeCollection(SECTION.messageAnnotations, "map", kept.length * 2, Buffer.concat(kept));
  return { body: Buffer.concat([head, annotations, tail]), scheduledAt };
}

const NO_HEADER = Buffer.alloc(0);

/** The sender's part of the header: whether the message is durable, and its priority. */
function keptHeader(encoded: Buffer, header: Section | undefined): Buffer {
  const durable = listField(encoded, header, HEADER.durable);
  const priority = listField(encoded, header, HEADER.priority);
  if (durable !== true && typeof priority !== "number") return NO_HEADER;
  const fields = [
    encodeValue(types.wrap(durable === true)),
    encodeUbyte(typeof priority === "number" ? priority : undefined),
  ];
  return encodeCollection(SECTION.header, "list", fields.length, Buffer.concat(fields));
}

/** The sender's part of the header, from a stored message. */
export function senderHeader(
  body: Buffer,
  header: Section,
): { readonly durable: boolean; readonly priority: number | undefined } {
  const priority = listField(body, header, HEADER.priority);
  return {
    durable: listField(body, header, HEADER.durable) === true,
    priority: typeof priority === "number" ? priority : undefined,
  };
}

const toNumber = (value: string | number | boolean | undefined): number | undefined =>
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

const withMessageId = (body: Buffer, messageId: string): Buffer =>
  withPropertyFields(body, new Map([[PROPERTY.messageId, encodeString(messageId)]]));

/** Replaces fields of the properties section; the others are copied as bytes. */
function withPropertyFields(body: Buffer, changes: ReadonlyMap<number, Buffer>): Buffer {
  const { header, messageAnnotations, properties } = scan(body);
  const start = properties?.start ?? messageAnnotations?.end ?? header?.end ?? 0;
  const offsets = properties ? itemOffsets(body, properties) : [];
  const count = Math.max(offsets.length - 1, ...[...changes.keys()].map((field) => field + 1));
  const fields = Array.from({ length: count }, (_, field) => {
    const known = offsets[field + 1] === undefined ? NULL_VALUE : body.subarray(offsets[field], offsets[field + 1]);
    return changes.get(field) ?? known;
  });
  const section = encodeCollection(SECTION.properties, "list", count, Buffer.concat(fields));
  return Buffer.concat([body.subarray(0, start), section, body.subarray(properties?.end ?? start)]);
}

const NULL_VALUE = Buffer.from([0x40]);

const withApplicationProperties = (stored: Uint8Array, changes: PropertyChanges): Buffer =>
  changeApplicationProperties(
    asBuffer(stored),
    (key) => key in changes,
    Object.entries(changes),
    (value) => types.wrap(value),
  );

/** Values keep their AMQP types: properties that do not change are copied as bytes. */
function changeApplicationProperties(
  body: Buffer,
  isGone: (key: string) => boolean,
  added: readonly (readonly [string, unknown])[],
  wrap: (value: unknown) => Typed,
): Buffer {
  const { applicationProperties, properties, messageAnnotations, header } = scan(body);
  const start = applicationProperties?.start ?? properties?.end ?? messageAnnotations?.end ?? header?.end ?? 0;
  const parts: Buffer[] = [];
  if (applicationProperties) {
    for (const entry of mapEntries(body, applicationProperties)) {
      if (!isGone(entry.key)) parts.push(body.subarray(entry.start, entry.end));
    }
  }
  for (const [key, value] of added) parts.push(Buffer.concat([encodeString(key), encodeProperty(key, value, wrap)]));
  const section = encodeCollection(SECTION.applicationProperties, "map", parts.length * 2, Buffer.concat(parts));
  return Buffer.concat([body.subarray(0, start), section, body.subarray(applicationProperties?.end ?? start)]);
}

function encodeProperty(key: string, value: unknown, wrap: (value: unknown) => Typed): Buffer {
  try {
    const encoded = encodeValue(wrap(value));
    skipValue(encoded, 0);
    return encoded;
  } catch (error) {
    throw new BusError(
      "invalid-argument",
      `The property '${key}' has a value that cannot be encoded: ${String(error)}`,
    );
  }
}

/** Fields of the properties section, by the names that actions use. */
const PROPERTY_FIELDS: Readonly<Record<string, number>> = {
  ...{ messageid: 0, to: 2, label: 3, subject: 3, replyto: 4, correlationid: 5, contenttype: 6 },
  ...{ sessionid: 10, replytosessionid: 12 },
};

const SYMBOL_FIELD = 6;

function withEdits(stored: Uint8Array, { application, system }: MessageEdits): Buffer {
  const fields = new Map<number, Buffer>();
  for (const [name, value] of system) {
    const field = PROPERTY_FIELDS[name];
    if (field === undefined) throw new Error(`no action can set the system property '${name}'`);
    const typed = value === undefined || field !== SYMBOL_FIELD ? types.wrap(value) : types.wrap_symbol(value);
    fields.set(field, encodeValue(typed));
  }
  const body = fields.size > 0 ? withPropertyFields(asBuffer(stored), fields) : asBuffer(stored);
  if (application.size === 0) return body;
  const changed = new Set([...application.keys()].map((name) => name.toLowerCase()));
  const added = [...application].filter(([, value]) => value !== undefined);
  return changeApplicationProperties(body, (key) => changed.has(key.toLowerCase()), added, wrapSqlValue);
}

/** Numbers of the SQL language are long or double. */
const wrapSqlValue = (value: unknown): Typed =>
  Number.isSafeInteger(value) ? types.wrap_long(Number(value)) : types.wrap(value);

/** rhea's names of system properties, by their names in filters. */
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
    newId: randomUUID,
  };
}

export const amqpCodec: MessageCodec = { filterable, withApplicationProperties, withEdits };

/** A pair for the message annotations of a delivery. */
export const annotation = (key: string, value: unknown): Buffer =>
  Buffer.concat([encodeSymbol(key), encodeValue(types.wrap(value))]);
