/** Cuts a stream of bytes into lines of bounded length. */

/** A line was longer than allowed; it has been skipped. */
export const TOO_LONG = Symbol("too long");

export type Line = Uint8Array | typeof TOO_LONG;

const LINE_FEED = 10;

/** Lines come without their line break; what follows the last one is a line too, unless it is empty. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;

  function take(piece: Uint8Array): void {
    bytes += piece.byteLength;
    // What is skipped is only counted.
    if (bytes <= maxBytes) pieces.push(piece);
    else pieces = [];
  }

  function cut(): Line {
    const line = bytes > maxBytes ? TOO_LONG : Buffer.concat(pieces);
    pieces = [];
    bytes = 0;
    return line;
  }

  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      take(chunk.subarray(start, end));
      yield cut();
      start = end + 1;
    }
    if (start < chunk.byteLength) take(chunk.subarray(start));
  }
  if (bytes > 0) yield cut();
}
