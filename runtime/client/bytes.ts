/** Streams of bytes as every browser has them, read as an async iterable or as lines of text. */

/** Cancels the stream when the reader stops early. Throws when no data arrives for `stallMs`. */
export async function* chunksOf(
  stream: ReadableStream<Uint8Array> | null,
  stallMs?: number,
): AsyncGenerator<Uint8Array> {
  if (stream === null) return;
  const reader = stream.getReader();
  let isOver = false;
  try {
    for (;;) {
      const { done, value } = await (stallMs === undefined ? reader.read() : inTime(reader, stallMs));
      if (done) {
        isOver = true;
        return;
      }
      yield value;
    }
  } catch (error) {
    isOver = true;
    throw error;
  } finally {
    // This fails only if the connection has already ended, and then there is nothing to cancel.
    if (!isOver) await reader.cancel().catch(() => undefined);
  }
}

/** Yields lines without their line breaks. Text after the last one is a line only if `rest` is set; otherwise it was cut off. */
export async function* linesOf(
  stream: ReadableStream<Uint8Array> | null,
  { rest = false, stallMs }: { readonly rest?: boolean; readonly stallMs?: number | undefined } = {},
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunksOf(stream, stallMs)) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
  if (rest && text !== "") yield text;
}

async function inTime(reader: ReadableStreamDefaultReader<Uint8Array>, ms: number): ReturnType<typeof reader.read> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stalled = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`No data arrived within ${ms} ms.`);
      reject(error);
      // Releases the connection. Its result does not matter any more.
      reader.cancel(error).catch(() => undefined);
    }, ms);
  });
  try {
    return await Promise.race([reader.read(), stalled]);
  } finally {
    clearTimeout(timer);
  }
}
