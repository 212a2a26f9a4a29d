/** Events as a stream of Server-Sent Events: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import { Readable } from "node:stream";
import type { PublishedEvent } from "../../core/job/events.ts";
import { FOLLOWER_WAITING_MAX_BYTES } from "../../core/limits.ts";
import { type Caller, callerKey, stillMay } from "../auth/caller.ts";
import type { Connections } from "./connections.ts";
import { tenantOf, type FanOut, type Subject } from "./fan-out.ts";

export interface EventStreamDeps {
  readonly fanOut: FanOut;
  readonly connections: Connections;
}

export interface EventStreamRequest {
  readonly caller: Caller;
  readonly subject: Subject;
  /** The last event the client has. Undefined: only new events. */
  readonly lastEventId: string | undefined;
}

/** The client may have missed events. It should read what it follows again. */
const MISSED = "event: missed\ndata: {}\n\n";
/** A comment, so that proxies and clients do not end an idle connection. */
const BEAT = ": \n\n";
/** The time before a client reconnects, if it takes that from the server. */
const HELLO = "retry: 2000\n\n";

/**
 * Starts at once. A reader with more than FOLLOWER_WAITING_MAX_BYTES unread is disconnected. It reconnects and gets the
 * events it missed, or `missed`. Throws TooManyRequestsError.
 */
export function openEventStream({ caller, subject, lastEventId }: EventStreamRequest, deps: EventStreamDeps): Readable {
  const { fanOut, connections } = deps;
  const tenants = [tenantOf(subject)];
  const ended: (() => void)[] = [connections.take(callerKey(caller))];
  const stream = new Readable({
    read: () => undefined,
    destroy(error, done) {
      for (const end of ended) end();
      done(error);
    },
  });

  function send(text: string): void {
    if (stream.destroyed || stream.readableEnded) return;
    if (stream.readableLength + text.length > FOLLOWER_WAITING_MAX_BYTES) stream.destroy(new SlowReaderError());
    else stream.push(text);
  }
  ended.push(
    connections.watch({
      beat: () => send(BEAT),
      mayGoOn: () => stillMay(caller, tenants),
      end: () => stream.push(null),
    }),
  );
  send(HELLO);
  const follower = { take: (published: PublishedEvent) => send(textOf(published)), missed: () => send(MISSED) };
  ended.push(fanOut.follow(subject, follower, lastEventId));
  return stream;
}

/** The client reads more slowly than events come. */
class SlowReaderError extends Error {}

/** JSON.stringify writes no line break. */
const textOf = ({ id, event }: PublishedEvent): string =>
  `id: ${id}\nevent: ${event.eventType}\ndata: ${JSON.stringify(event)}\n\n`;
