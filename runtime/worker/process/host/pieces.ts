/** Cuts text into pieces of which each fits into a message, however it has to be escaped. */

const PIECE_LENGTH = 16 * 1024;

/** At least one piece; no character is cut in two. */
export function* piecesOf(text: string): Generator<string> {
  let start = 0;
  do {
    let end = Math.min(start + PIECE_LENGTH, text.length);
    if (end < text.length && isLeadSurrogate(text.charCodeAt(end - 1))) end -= 1;
    yield text.slice(start, end);
    start = end;
  } while (start < text.length);
}

const isLeadSurrogate = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;
