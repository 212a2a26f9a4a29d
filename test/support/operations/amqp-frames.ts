/**
 * Reads the AMQP frames that pass in one direction of a connection, as far as counting needs: which links are opened,
 * which messages are transferred, which are settled.
 */
import { types, type Typed } from "../../../runtime/local/bus/amqp/rhea.ts";

/** `link`, `delivery`: numbers of the sending side, unique together with the channel. */
export type AmqpFrame =
  | { readonly kind: "begin"; readonly channel: number; readonly answers: number | undefined }
  | {
      readonly kind: "attach";
      readonly channel: number;
      readonly link: number;
      /** The same on both sides. */
      readonly name: string;
      readonly isReceiver: boolean;
      readonly source: string;
      readonly target: string;
    }
  | {
      /** Of one message or of a batch of them, told with its last frame. */
      readonly kind: "transfer";
      readonly channel: number;
      readonly link: number;
      readonly delivery: number;
      /** The receiver need not settle it. */
      readonly isSettled: boolean;
      readonly messageCount: number;
      /** What a request to a management node asks for. */
      readonly operation: string | undefined;
    }
  | {
      readonly kind: "disposition";
      readonly channel: number;
      readonly isReceiver: boolean;
      readonly first: number;
      readonly last: number;
    };

/** AMQP 1.0, part 2.7 and 3.2. */
const CODE = {
  begin: 0x11,
  attach: 0x12,
  transfer: 0x14,
  disposition: 0x15,
  applicationProperties: 0x74,
  data: 0x75,
} as const;
const AMQP_FRAME = 0;
const HEADER_BYTES = 8;
/** The service's own format: a message whose data sections are messages. */
const BATCH_FORMAT = 0x80013700;

/** Returns a function that takes the next bytes and tells each frame that they complete. */
export function createFrameReader(onFrame: (frame: AmqpFrame) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  /** Payloads whose last frame has not come, by link. */
  const incomplete = new Map<
    string,
    { readonly delivery: number; readonly isSettled: boolean; readonly format: number; readonly parts: Buffer[] }
  >();

  function read(frame: Buffer): void {
    const body = frame.subarray(4 * frame.readUInt8(4));
    if (frame.readUInt8(5) !== AMQP_FRAME || body.length === 0) return;
    const channel = frame.readUInt16BE(6);
    const reader = new types.Reader(body);
    const { descriptor, value } = reader.read() as Typed;
    const fields = value as readonly (Typed | null | undefined)[];
    const field = (index: number): unknown => fields[index]?.value;
    const addressIn = (index: number): string => {
      const terminus = field(index) as readonly (Typed | null | undefined)[] | null | undefined;
      const address = terminus?.[0]?.value;
      return typeof address === "string" ? address : "";
    };
    switch (descriptor?.value) {
      case CODE.begin: {
        const answers = field(0);
        onFrame({ kind: "begin", channel, answers: typeof answers === "number" ? answers : undefined });
        break;
      }
      case CODE.attach: {
        const place = { channel, link: Number(field(1)), name: String(field(0)) };
        onFrame({ kind: "attach", ...place, isReceiver: isTrue(field(2)), source: addressIn(5), target: addressIn(6) });
        break;
      }
      case CODE.transfer: {
        const link = Number(field(0));
        const key = `${channel}/${link}`;
        const message = incomplete.get(key) ?? {
          delivery: Number(field(1)),
          isSettled: isTrue(field(4)),
          format: Number(field(3) ?? 0),
          parts: [],
        };
        message.parts.push(body.subarray(reader.position));
        incomplete.set(key, message);
        if (isTrue(field(5))) break;
        incomplete.delete(key);
        const { format, parts, ...about } = message;
        onFrame({ kind: "transfer", channel, link, ...about, ...contentOf(Buffer.concat(parts), format) });
        break;
      }
      case CODE.disposition: {
        const first = Number(field(1));
        const last = Number(field(2) ?? first);
        onFrame({ kind: "disposition", channel, isReceiver: isTrue(field(0)), first, last });
        break;
      }
    }
  }

  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (rest.length >= HEADER_BYTES) {
      const isProtocolHeader = rest.toString("latin1", 0, 4) === "AMQP";
      const size = isProtocolHeader ? HEADER_BYTES : rest.readUInt32BE(0);
      if (rest.length < size) return;
      if (!isProtocolHeader) read(rest.subarray(0, size));
      rest = rest.subarray(size);
    }
  };
}

/** The reader decodes the type's two short forms to booleans, and its long form to a number. */
const isTrue = (value: unknown): boolean => value === true || value === 1;

function contentOf(
  payload: Buffer,
  format: number,
): { readonly messageCount: number; readonly operation: string | undefined } {
  const reader = new types.Reader(payload);
  let dataCount = 0;
  let operation: string | undefined;
  while (reader.remaining() > 0) {
    const section = reader.read() as Typed;
    if (section.descriptor?.value === CODE.data) dataCount++;
    if (section.descriptor?.value !== CODE.applicationProperties) continue;
    const cells = section.value as readonly Typed[];
    const at = cells.findIndex(({ value }, index) => index % 2 === 0 && value === "operation");
    if (at >= 0) operation = String(cells[at + 1]?.value);
  }
  return { messageCount: format === BATCH_FORMAT ? dataCount : 1, operation };
}
