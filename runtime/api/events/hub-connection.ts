/**
 * One client of the hub, from its WebSocket to its end.
 *
 * | state       | meaning                                | leaves by                                             |
 * |-------------|----------------------------------------|-------------------------------------------------------|
 * | handshaking | has not said what it speaks            | its handshake → open; a wrong one, or none in time → closed |
 * | open        | calls methods, is told events          | its end, ours, a fault in what it says, slowness → closed   |
 * | closed      | follows nothing                        | –                                                     |
 */
import { setTimeout as startTimer } from "node:timers";
import { setTimeout } from "node:timers/promises";
import type { RawData, WebSocket } from "ws";
import { isSystemError, messageOf, TooManyRequestsError, UnauthenticatedError } from "../../core/errors.ts";
import type { PublishedEvent } from "../../core/job/events.ts";
import {
  FOLLOWER_WAITING_MAX_BYTES,
  HUB_FREE_MESSAGES_PER_MINUTE,
  HUB_HANDSHAKE_MS,
  HUB_MESSAGE_MAX_BYTES,
  HUB_REFUSED_PAUSE_MS,
  HUB_SUBSCRIPTIONS_MAX_COUNT,
} from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import { type Caller, callerKey, currentCaller, stillMay } from "../auth/caller.ts";
import type { Connections } from "./connections.ts";
import { tenantOf, type FanOut, type Follower, type Subject } from "./fan-out.ts";
import * as protocol from "./hub-protocol.ts";
import type { ResolveSubject } from "./resolve-subject.ts";

export interface HubConnectionDeps {
  readonly fanOut: FanOut;
  readonly connections: Connections;
  readonly resolve: ResolveSubject;
  /** Counts a call, or what is as good as one, as a request of the caller. Throws TooManyRequestsError. */
  readonly spend: () => Promise<void>;
  /** Default HUB_REFUSED_PAUSE_MS. */
  readonly refusedPauseMs?: number | undefined;
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: () => number;
  readonly log: Logger;
}

interface Followed {
  readonly tenantName: string;
  readonly end: () => void;
}

const MINUTE_MS = 60_000;

/** What a client can call, each with the id of one thing. */
const SUBJECT_OF = {
  SubscribeToJob: "job",
  SubscribeToBatch: "batch",
  SubscribeToTenant: "tenant",
} as const satisfies Record<string, Subject["kind"]>;

const isSubscription = (target: string): target is keyof typeof SUBJECT_OF => Object.hasOwn(SUBJECT_OF, target);

/** For a caller that has taken its place among the connections. */
export function serveHubConnection(socket: WebSocket, caller: Caller, deps: HubConnectionDeps): void {
  const { fanOut, connections, resolve, spend, refusedPauseMs = HUB_REFUSED_PAUSE_MS, monotonicNow, log } = deps;
  const startedAt = monotonicNow();
  const followed = new Map<string, Followed>();
  let isOpen = false;
  let rest = "";
  /** One call after the other, so that `Unsubscribe` finds what came before it. */
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  let freeMessages = { left: HUB_FREE_MESSAGES_PER_MINUTE, since: startedAt };

  /** Nothing more is read while anything waits: a client that calls faster than it is answered fills its own buffers. */
  function inTurn(work: () => Promise<void>): void {
    if (waiting++ === 0) socket.pause();
    last = last.then(work).finally(() => {
      if (--waiting === 0) socket.resume();
    });
  }

  /** Throws TooManyRequestsError, after a pause in which nothing is read. */
  async function pay(): Promise<void> {
    try {
      await spend();
    } catch (error) {
      await setTimeout(refusedPauseMs, undefined, { ref: false });
      throw error;
    }
  }

  /** For what is no call: so much of it is free. */
  function payForMessage(): void {
    const now = monotonicNow();
    if (now - freeMessages.since >= MINUTE_MS) freeMessages = { left: HUB_FREE_MESSAGES_PER_MINUTE, since: now };
    // Nobody is told: what is refused is that it is read at once.
    if (--freeMessages.left < 0) inTurn(() => pay().catch(ignoreTooMany));
  }

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
      followed.get(id)?.end();
      followed.delete(id);
      return;
    }
    if (!isSubscription(target)) throw new CallError("There is no such method.");
    if (followed.has(id)) return;
    if (followed.size >= HUB_SUBSCRIPTIONS_MAX_COUNT) {
      throw new TooManyRequestsError(`A connection follows ${HUB_SUBSCRIPTIONS_MAX_COUNT} things at most.`);
    }
    const subject = { kind: SUBJECT_OF[target], id };
    await resolve(await currentCaller(caller), subject);
    if (socket.readyState !== socket.OPEN) return;
    followed.set(id, { tenantName: tenantOf(subject), end: fanOut.follow(subject, follower) });
  }

  async function answer(id: string | undefined, target: string, args: readonly unknown[]): Promise<void> {
    try {
      await pay();
      await call(target, args);
      if (id !== undefined) send(protocol.completion(id, null));
    } catch (error) {
      if (id !== undefined) send(protocol.failedCompletion(id, wordsFor(error)));
      // The client comes again with a new token.
      if (error instanceof UnauthenticatedError) end();
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
        inTurn(() => answer(message.id, message.target, message.args));
        return;
      case "stream":
        payForMessage();
        send(protocol.failedCompletion(message.id, "This hub has no streams."));
        return;
      case "close":
        socket.close();
        return;
      case "ping":
      case "other":
        payForMessage();
        return;
      case undefined:
        end("This is no message of SignalR's JSON protocol.");
    }
  }

  const leave = connections.watch({
    beat: () => isOpen && send(protocol.PING),
    mayGoOn: () =>
      stillMay(
        caller,
        [...followed.values()].map(({ tenantName }) => tenantName),
      ),
    end: () => end(),
  });
  const handshakeTimer = startTimer(() => socket.terminate(), HUB_HANDSHAKE_MS);
  socket.on("message", (data: RawData) => {
    const { records, rest: next } = protocol.splitRecords(rest + textOf(data));
    rest = next;
    if (records.length === 0) payForMessage();
    if (rest.length > HUB_MESSAGE_MAX_BYTES) end("A message is larger than this hub takes.");
    for (const one of records) if (socket.readyState === socket.OPEN) take(one);
  });
  // Of WebSockets themselves; they are answered by the library.
  socket.on("ping", payForMessage).on("pong", payForMessage);
  // What is wrong with a connection ends it, and that is all there is to do.
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    clearTimeout(handshakeTimer);
    leave();
    for (const { end: unfollow } of followed.values()) unfollow();
    followed.clear();
    log.info({ caller: callerKey(caller), ms: Math.round(monotonicNow() - startedAt) }, "hub connection ended");
  });
}

function ignoreTooMany(error: unknown): void {
  if (!(error instanceof TooManyRequestsError)) throw error;
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
