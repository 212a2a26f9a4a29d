/**
 * Limits on what a peer can make rhea do. Each one replaces unbounded memory or time by an error. rhea then ends the
 * connection.
 */
import { internals, types, type ReceiverLink, type RheaReader, type TransferFrame } from "./rhea.ts";
import { WIRE_LIMITS } from "./front.ts";

class WireLimitError extends Error {
  override readonly name = "WireLimitError";
}

const oversized = new WeakMap<ReceiverLink, number>();

const limitOf = (link: ReceiverLink): number => link.local.attach.max_message_size ?? WIRE_LIMITS.messageBytes;

/** Whether the message that just ended on this link was longer than allowed. Only its beginning was kept. */
export function takeOversized(link: ReceiverLink): boolean {
  const bytes = oversized.get(link) ?? 0;
  oversized.delete(link);
  return bytes > limitOf(link);
}

/** Applies the limits to the private copy of the library. Safe to call more than once. */
export function hardenRhea(): void {
  if (hardened) return;
  hardened = true;
  boundFrames();
  boundCollections();
  boundDispositions();
  boundMessages();
}

let hardened = false;

/** A frame header can announce 4 GiB, which rhea would wait for in memory. */
function boundFrames(): void {
  const { prototype } = internals.Transport;
  const peekSize = Reflect.get(prototype, "peek_size");
  prototype.peek_size = function (buffer) {
    const size = peekSize.call(this, buffer);
    if (size !== undefined && (size < 8 || size > WIRE_LIMITS.frameBytes)) {
      throw new WireLimitError(
        `A frame of ${size} bytes was announced; at most ${WIRE_LIMITS.frameBytes} are accepted.`,
      );
    }
    return size;
  };
}

/** A list can announce more items than there are bytes. rhea would even create them for an array of nulls. */
function boundCollections(): void {
  const { prototype } = types.Reader;
  const readSizeCount = Reflect.get(prototype, "read_size_count");
  prototype.read_size_count = function (this: RheaReader, width) {
    const limits = readSizeCount.call(this, width);
    if (limits.count > this.remaining()) {
      throw new WireLimitError(`A collection of ${limits.count} items was announced in ${this.remaining()} bytes.`);
    }
    return limits;
  };
}

/** rhea walks the whole range of a disposition, which may span four billion deliveries. */
function boundDispositions(): void {
  const { prototype } = internals.Session;
  const onDisposition = Reflect.get(prototype, "on_disposition");
  prototype.on_disposition = function (frame) {
    const { first, last = first } = frame.performative;
    if (last - first >= WIRE_LIMITS.sessionDeliveries) {
      throw new WireLimitError(`A disposition over ${last - first} deliveries was received.`);
    }
    onDisposition.call(this, frame);
  };
}

/**
 * A message can have any number of frames. Past the limit, only their lengths are counted. rhea would deliver a message
 * that its sender aborts as if it were complete.
 */
function boundMessages(): void {
  const { prototype } = internals.Session;
  const onTransfer = Reflect.get(prototype, "on_transfer");
  prototype.on_transfer = function (frame: TransferFrame) {
    const link = this._get_link(frame);
    if (frame.performative.aborted) {
      abort(link, () => onTransfer.call(this, frame), frame);
      return;
    }
    const before = oversized.get(link) ?? 0;
    const bytes = before + (frame.payload?.length ?? 0);
    const limit = limitOf(link);
    if (frame.performative.more || bytes > limit) oversized.set(link, bytes);
    else oversized.delete(link);
    if (bytes > limit) frame.payload = frame.payload?.subarray(0, Math.max(0, limit - before)) ?? Buffer.alloc(0);
    onTransfer.call(this, frame);
  };
}

/** Lets rhea count the frame as part of an unfinished delivery, and then drops the delivery. The credit is used up. */
function abort(link: ReceiverLink, count: () => void, frame: TransferFrame): void {
  oversized.delete(link);
  frame.payload = Buffer.alloc(0);
  frame.performative.more = true;
  count();
  const delivery = link._incomplete;
  link._incomplete = undefined;
  if (!delivery) return;
  delivery.settled = true;
  delivery.remote_settled = true;
  link.credit--;
  link.delivery_count++;
}
