/** Finds the sections of an encoded AMQP message and fields in them, without decoding the rest. */
import { BusError } from "../engine/errors.ts";

/** Offsets into the message: the whole section, and where its value begins. */
export interface Section {
  readonly start: number;
  readonly value: number;
  readonly end: number;
}

export interface Sections {
  readonly header: Section | undefined;
  readonly deliveryAnnotations: Section | undefined;
  readonly messageAnnotations: Section | undefined;
  readonly properties: Section | undefined;
  readonly applicationProperties: Section | undefined;
  /** Where the body (and a footer) begins. */
  readonly bodyStart: number;
}

export const SECTION = {
  header: 0x70,
  deliveryAnnotations: 0x71,
  messageAnnotations: 0x72,
  properties: 0x73,
  applicationProperties: 0x74,
  data: 0x75,
} as const;

const malformed = (what: string): BusError => new BusError("invalid-argument", `The message is malformed: ${what}.`);

/** Descriptors within descriptors are legal, but not used. */
const MAX_DESCRIPTOR_DEPTH = 8;

/** The offset after the value that begins at `offset`. @throws BusError when the value does not fit into the buffer. */
export function skipValue(buffer: Buffer, offset: number, depth = 0): number {
  const code = buffer[offset];
  if (code === undefined) throw malformed("it ends within a value");
  if (code === 0x00) {
    if (depth >= MAX_DESCRIPTOR_DEPTH) throw malformed("too many nested descriptors");
    return skipValue(buffer, skipValue(buffer, offset + 1, depth + 1), depth + 1);
  }
  const end = offset + 1 + valueLength(buffer, offset + 1, code);
  if (end > buffer.length) throw malformed("it ends within a value");
  return end;
}

/** The upper half of a type code says how long the value is. */
function valueLength(buffer: Buffer, offset: number, code: number): number {
  switch (code >> 4) {
    case 0x4:
      return 0;
    case 0x5:
      return 1;
    case 0x6:
      return 2;
    case 0x7:
      return 4;
    case 0x8:
      return 8;
    case 0x9:
      return 16;
    case 0xa:
    case 0xc:
    case 0xe:
      return 1 + (buffer[offset] ?? 0);
    case 0xb:
    case 0xd:
    case 0xf:
      if (offset + 4 > buffer.length) throw malformed("it ends within a length");
      return 4 + buffer.readUInt32BE(offset);
    default:
      throw malformed(`unknown type code 0x${code.toString(16)}`);
  }
}

/** The descriptor of the section at `offset`, and where its value begins. */
function readDescriptor(buffer: Buffer, offset: number): { readonly code: number; readonly value: number } {
  if (buffer[offset] !== 0x00) throw malformed("a section without a descriptor");
  const type = buffer[offset + 1];
  if (type === 0x53 && offset + 2 < buffer.length) return { code: buffer.readUInt8(offset + 2), value: offset + 3 };
  if (type === 0x80 && offset + 10 <= buffer.length) {
    return { code: Number(buffer.readBigUInt64BE(offset + 2)), value: offset + 10 };
  }
  throw malformed("a section with an unsupported descriptor");
}

/** Where the body begins, in a message that may have been cut off within it. @throws BusError when the head is malformed. */
export function bodyOffset(buffer: Buffer): number {
  let offset = 0;
  while (offset < buffer.length) {
    const { code, value } = readDescriptor(buffer, offset);
    if (code >= SECTION.data) break;
    offset = skipValue(buffer, value);
  }
  return offset;
}

export function scan(buffer: Buffer): Sections {
  const found: { -readonly [name in keyof Sections]: Sections[name] } = {
    header: undefined,
    deliveryAnnotations: undefined,
    messageAnnotations: undefined,
    properties: undefined,
    applicationProperties: undefined,
    bodyStart: buffer.length,
  };
  let offset = 0;
  while (offset < buffer.length) {
    const { code, value } = readDescriptor(buffer, offset);
    if (code >= SECTION.data) {
      found.bodyStart = offset;
      // The bus does not read the body, but receivers will. It must at least be complete.
      for (let rest = offset; rest < buffer.length;) rest = skipValue(buffer, readDescriptor(buffer, rest).value);
      break;
    }
    const section = { start: offset, value, end: skipValue(buffer, value) };
    if (code === SECTION.header) found.header = section;
    else if (code === SECTION.deliveryAnnotations) found.deliveryAnnotations = section;
    else if (code === SECTION.messageAnnotations) found.messageAnnotations = section;
    else if (code === SECTION.properties) found.properties = section;
    else if (code === SECTION.applicationProperties) found.applicationProperties = section;
    else throw malformed(`unknown section 0x${code.toString(16)}`);
    offset = section.end;
  }
  return found;
}

/** The messages within a batch (message format 0x80013700): one per data section. */
export function* batchItems(buffer: Buffer): IterableIterator<Buffer> {
  let offset = 0;
  while (offset < buffer.length) {
    const { code, value } = readDescriptor(buffer, offset);
    const end = skipValue(buffer, value);
    if (code === SECTION.data) {
      const lengthBytes = buffer[value] === 0xa0 ? 2 : 5;
      yield buffer.subarray(value + lengthBytes, end);
    }
    offset = end;
  }
}

/** Offsets of the items of a list or map section: item i reaches from `[i]` to `[i + 1]`. */
export function itemOffsets(buffer: Buffer, section: Section): number[] {
  const code = buffer[section.value];
  let count: number;
  let offset: number;
  if (code === 0x45) return [];
  if (code === 0xc0 || code === 0xc1) {
    count = buffer[section.value + 2] ?? 0;
    offset = section.value + 3;
  } else if (code === 0xd0 || code === 0xd1) {
    if (section.value + 9 > section.end) throw malformed("it ends within a length");
    count = buffer.readUInt32BE(section.value + 5);
    offset = section.value + 9;
  } else {
    throw malformed("a section that is neither list nor map");
  }
  if (count > section.end - offset) throw malformed("more items announced than there are bytes");
  const offsets = [offset];
  for (let index = 0; index < count; index++) {
    offset = skipValue(buffer, offset);
    offsets.push(offset);
  }
  if (offset > section.end) throw malformed("items reach past their section");
  return offsets;
}

/** A string, symbol, number, boolean, uuid or binary as plain value; undefined for null and anything else. */
export function readScalar(buffer: Buffer, offset: number): string | number | boolean | undefined {
  const end = skipValue(buffer, offset);
  const code: number = buffer.readUInt8(offset);
  switch (code) {
    case 0xa1:
    case 0xa3:
      return buffer.toString("utf8", offset + 2, end);
    case 0xb1:
    case 0xb3:
      return buffer.toString("utf8", offset + 5, end);
    case 0x41:
      return true;
    case 0x42:
      return false;
    case 0x56:
      return buffer[offset + 1] === 1;
    case 0x43:
    case 0x44:
      return 0;
    case 0x50:
    case 0x52:
    case 0x53:
      return buffer[offset + 1];
    case 0x60:
      return buffer.readUInt16BE(offset + 1);
    case 0x70:
      return buffer.readUInt32BE(offset + 1);
    case 0x71:
      return buffer.readInt32BE(offset + 1);
    case 0x54:
    case 0x55:
      return buffer.readInt8(offset + 1);
    case 0x80:
      return Number(buffer.readBigUInt64BE(offset + 1));
    case 0x81:
    case 0x83:
      return Number(buffer.readBigInt64BE(offset + 1));
    case 0x98:
      return buffer.toString("hex", offset + 1, end);
    case 0xa0:
      return buffer.toString("hex", offset + 2, end);
    case 0xb0:
      return buffer.toString("hex", offset + 5, end);
    default:
      return undefined;
  }
}

/** One field of a list section; undefined when absent. */
export function listField(
  buffer: Buffer,
  section: Section | undefined,
  index: number,
): string | number | boolean | undefined {
  if (!section) return undefined;
  const start = listItem(buffer, section, index);
  return start === undefined ? undefined : readScalar(buffer, start);
}

/** Finds one item without collecting all offsets, because this runs several times for every message. */
function listItem(buffer: Buffer, section: Section, index: number): number | undefined {
  const code = buffer[section.value];
  if (code === 0x45) return undefined;
  const wide = code === 0xd0;
  if (!wide && code !== 0xc0) throw malformed("a section that is not a list");
  if (wide && section.value + 9 > section.end) throw malformed("it ends within a length");
  const count = wide ? buffer.readUInt32BE(section.value + 5) : (buffer[section.value + 2] ?? 0);
  if (index >= count) return undefined;
  let offset = section.value + (wide ? 9 : 3);
  for (let item = 0; item < index; item++) offset = skipValue(buffer, offset);
  return offset < section.end ? offset : undefined;
}
