/** Server-Sent Events as text becomes events: https://html.spec.whatwg.org/multipage/server-sent-events.html */

export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
  /** To go on after it. Undefined: as before. */
  readonly id: string | undefined;
}

/** A comment or an empty event: the service is there and has nothing to say. */
export type Heartbeat = "heartbeat";

/** From lines without their line breaks. An event that is cut off is none. */
export async function* eventsOf(lines: AsyncIterable<string>): AsyncGenerator<ServerSentEvent | Heartbeat> {
  let event = "message";
  let data: string[] = [];
  let id: string | undefined;
  for await (const line of lines) {
    if (line === "") {
      yield data.length > 0 ? { event, data: data.join("\n"), id } : "heartbeat";
      event = "message";
      data = [];
      id = undefined;
      continue;
    }
    const colon = line.indexOf(":");
    if (colon === 0) {
      yield "heartbeat";
      continue;
    }
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = value;
  }
}
