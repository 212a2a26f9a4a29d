/** Reads a stream of Server-Sent Events by fetch, as far as the test wants. */
import type { SystemEvent } from "../../../runtime/core/job/events.ts";

export interface SseClient extends AsyncDisposable {
  readonly status: number;
  readonly headers: Headers;
  /** Of everything but hellos and signs of life. */
  readonly messages: { readonly id: string | undefined; readonly event: string; readonly data: SystemEvent }[];
  /** As it came. */
  text(): string;
  readonly ended: Promise<void>;
}

export async function openSse(url: string, headers: Record<string, string> = {}): Promise<SseClient> {
  const leaving = new AbortController();
  const response = await fetch(url, { headers, signal: leaving.signal });
  const messages: SseClient["messages"] = [];
  let text = "";
  let taken = 0;
  async function read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      for (let end = text.indexOf("\n\n", taken); end >= 0; end = text.indexOf("\n\n", taken)) {
        const fields = new Map(text.slice(taken, end).split("\n").map(fieldOf));
        taken = end + 2;
        const event = fields.get("event");
        if (event === undefined) continue;
        messages.push({ id: fields.get("id"), event, data: JSON.parse(fields.get("data") ?? "{}") as SystemEvent });
      }
    }
  }
  // How it ends is for the test to see.
  const ended = read().catch(() => undefined);
  return {
    status: response.status,
    headers: response.headers,
    messages,
    text: () => text,
    ended,
    async [Symbol.asyncDispose]() {
      leaving.abort();
      await ended;
    },
  };
}

function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
}
