/** Cuts a stream of bytes into lines of bounded length, keeping at most one line in memory. */

export interface LineSplitter {
  push(chunk: Uint8Array): void;
  /** Hands out what came after the last line break. */
  end(): void;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/**
 * Lines come without their line break. One longer than `maxBytes` is handed out in pieces, all but its last with
 * `whole` false.
 */
export function splitLines(maxBytes: number, onLine: (line: Buffer, whole: boolean) => void): LineSplitter {
  const pending: Buffer[] = [];
  let pendingBytes = 0;

  function take(bytes: Buffer): void {
    if (bytes.length === 0) return;
    pending.push(bytes);
    pendingBytes += bytes.length;
  }

  function flush(whole: boolean): void {
    const line = pending.length === 1 && pending[0] !== undefined ? pending[0] : Buffer.concat(pending);
    pending.length = 0;
    pendingBytes = 0;
    onLine(whole && line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line, whole);
  }

  return {
    push(chunk) {
      let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      while (rest.length > 0) {
        const end = rest.indexOf(LINE_FEED);
        const room = maxBytes - pendingBytes;
        const length = end < 0 ? rest.length : end;
        if (length > room) {
          take(rest.subarray(0, room));
          flush(false);
          rest = rest.subarray(room);
        } else {
          take(rest.subarray(0, length));
          if (end >= 0) flush(true);
          rest = rest.subarray(length + 1);
        }
      }
    },
    end() {
      if (pendingBytes > 0) flush(true);
    },
  };
}
