/**
 * One client of the hub, from its WebSocket to its end.
 *
 * | state       | meaning                                | leaves by                                             |
 * |-------------|----------------------------------------|-------------------------------------------------------|
 * | handshaking | has not said what it speaks            | its handshake → open; a wrong one, or none in time → closed |
 * | open        | calls methods, is told events          | its end, ours, a fault in what it says, slowness → closed   |
 * | closed      | follows nothing                        | –                                                     |
 */
import type { RawData, WebSocket } from "ws";
import { isSystemError, messageOf, TooManyRequestsError } from "../../core/errors.ts";
import type { PublishedEvent } from "../../core/events.ts";
import {
  FOLLOWER_WAITING_MAX_BYTES,
  HUB_HANDSHAKE_MS,
  HUB_MESSAGE_MAX_BYTES,
  HUB_SUBSCRIPTIONS_MAX_COUNT,
} from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import { callerKey, type Caller } from "../caller.ts";
import type { Connections } from "./connections.ts";
import type { FanOut, Follower, Subject } from "./fan-out.ts";
import * as protocol from "./hub-protocol.ts";
import type { ResolveSubject } from "./resolve-subject.ts";

export interface HubConnectionDeps {
  readonly fanOut: FanOut;
  readonly connections: Connections;
  readonly resolve: ResolveSubject;
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: () => number;
  readonly log: Logger;
}

/** What a client can call, each with the id of one thing. */
const SUBJECT_OF = {
  SubscribeToJob: "job",
  SubscribeToBatch: "batch",
  SubscribeToTenant: "tenant",
} as const satisfies Record<string, Subject["kind"]>;

const isSubscription = (target: string): target is keyof typeof SUBJECT_OF => Object.hasOwn(SUBJECT_OF, target);

/** Throws TooManyRequestsError, before anything is done. */
export function serveHubConnection(socket: WebSocket, caller: Caller, deps: HubConnectionDeps): void {
  const { fanOut, connections, resolve, monotonicNow, log } = deps;
  const startedAt = monotonicNow();
  const followed = new Map<string, () => void>();
  let isOpen = false;
  let rest = "";
  /** One call after the other, so that `Unsubscribe` finds what came before it. */
  let last: Promise<void> = Promise.resolve();

  function send(text: string): void {
    if (socket.readyState !== socket.OPEN) return;
    // It would only fall further behind: it reconnects, and reads what it has missed.
    if (socket.bufferedAmount + text.length > FOLLOWER_WAITING_MAX_BYTES) socket.terminate();
    else socket.send(text);
  }

  function end(error?: string): void {
    if (isOpen) send(protocol.closing(error));
    socket.close();
  }

  const follower: Follower = {
    take: ({ event }: PublishedEvent) => send(protocol.invocation(event.eventType, event)),
    missed: () => send(protocol.invocation("missed", {})),
  };

  async function call(target: string, args: readonly unknown[]): Promise<void> {
    const [id, ...more] = args;
    if (typeof id !== "string" || more.length > 0) throw new CallError(`${target} takes one id.`);
    if (target === "Unsubscribe") {
      followed.get(id)?.();
      followed.delete(id);
      return;
    }
    if (!isSubscription(target)) throw new CallError("There is no such method.");
    if (followed.has(id)) return;
    if (followed.size >= HUB_SUBSCRIPTIONS_MAX_COUNT) {
      throw new TooManyRequestsError(`A connection follows ${HUB_SUBSCRIPTIONS_MAX_COUNT} things at most.`);
    }
    const subject = { kind: SUBJECT_OF[target], id };
    await resolve(caller, subject);
    if (socket.readyState === socket.OPEN) followed.set(id, fanOut.follow(subject, follower));
  }

  async function answer(id: string | undefined, target: string, args: readonly unknown[]): Promise<void> {
    try {
      await call(target, args);
      if (id !== undefined) send(protocol.completion(id, null));
    } catch (error) {
      if (id !== undefined) send(protocol.failedCompletion(id, wordsFor(error)));
      if (!isSystemError(error) && !(error instanceof CallError))
        log.error({ err: error, target }, "a hub call failed");
    }
  }

  function take(record: string): void {
    if (!isOpen) {
      clearTimeout(handshakeTimer);
      const error = protocol.handshakeError(record);
      send(protocol.handshakeAnswer(error));
      if (error === undefined) isOpen = true;
      else socket.close();
      return;
    }
    const message = protocol.readMessage(record);
    switch (message?.type) {
      case "invocation":
        last = last.then(() => answer(message.id, message.target, message.args));
        return;
      case "stream":
        send(protocol.failedCompletion(message.id, "This hub has no streams."));
        return;
      case "close":
        socket.close();
        return;
      case "ping":
      case "other":
        return;
      case undefined:
        end("This is no message of SignalR's JSON protocol.");
    }
  }

  const leave = connections.add({ beat: () => isOpen && send(protocol.PING), end: () => end() });
  const handshakeTimer = setTimeout(() => socket.terminate(), HUB_HANDSHAKE_MS);
  socket.on("message", (data: RawData) => {
    const { records, rest: next } = protocol.splitRecords(rest + textOf(data));
    rest = next;
    if (rest.length > HUB_MESSAGE_MAX_BYTES) end("A message is larger than this hub takes.");
    for (const one of records) if (socket.readyState === socket.OPEN) take(one);
  });
  // What is wrong with a connection ends it, and that is all there is to do.
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    clearTimeout(handshakeTimer);
    leave();
    for (const unfollow of followed.values()) unfollow();
    followed.clear();
    log.info({ caller: callerKey(caller), ms: Math.round(monotonicNow() - startedAt) }, "hub connection ended");
  });
}

/** The client calls what is not there, or calls it wrongly. */
class CallError extends Error {}

/** What a client may know of an error: begins with the code, as errors over HTTP have it. */
function wordsFor(error: unknown): string {
  if (isSystemError(error) && error.code !== "InternalError") return `${error.code}: ${error.message}`;
  return error instanceof CallError ? `InvalidRequest: ${messageOf(error)}` : "InternalError: Something went wrong.";
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return (data instanceof ArrayBuffer ? Buffer.from(data) : data).toString();
}
