/**
 * One client of the hub, from its WebSocket to its end.
 *
 * | state       | meaning                                | leaves by                                                      |
 * |-------------|----------------------------------------|----------------------------------------------------------------|
 * | handshaking | waits for the handshake                | a valid handshake → open; an invalid one or a timeout → closed |
 * | open        | calls methods, receives events         | either side, an invalid message, a slow reader → closed        |
 * | closed      | follows nothing                        | –                                                              |
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
import type { Clock } from "../../core/clock.ts";

export interface HubConnectionDeps {
  readonly fanOut: FanOut;
  readonly connections: Connections;
  readonly resolve: ResolveSubject;
  /** Counts a call as a request of the caller. Throws TooManyRequestsError. */
  readonly spend: () => Promise<void>;
  /** Default HUB_REFUSED_PAUSE_MS. */
  readonly refusedPauseMs?: number | undefined;
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

interface Followed {
  readonly tenantName: string;
  readonly end: () => void;
}

const MINUTE_MS = 60_000;

/** Methods that a client can call, each with one id. */
const SUBJECT_OF = {
  SubscribeToJob: "job",
  SubscribeToBatch: "batch",
  SubscribeToTenant: "tenant",
} as const satisfies Record<string, Subject["kind"]>;

const isSubscription = (target: string): target is keyof typeof SUBJECT_OF => Object.hasOwn(SUBJECT_OF, target);

/** For a caller that has a place among the connections. */
export function serveHubConnection(socket: WebSocket, caller: Caller, deps: HubConnectionDeps): void {
  const { fanOut, connections, resolve, spend, refusedPauseMs = HUB_REFUSED_PAUSE_MS, monotonicNow, log } = deps;
  const startedAt = monotonicNow();
  const followed = new Map<string, Followed>();
  let isOpen = false;
  let rest = "";
  /** Calls run one after the other, so that `Unsubscribe` sees earlier calls. */
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  let freeMessages = { left: HUB_FREE_MESSAGES_PER_MINUTE, since: startedAt };

  /** The socket is not read while a call waits, so a client that calls too fast fills its own buffers. */
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

  /** For a message that is not a call. A number of them is free. */
  function payForMessage(): void {
    const now = monotonicNow();
    if (now - freeMessages.since >= MINUTE_MS) freeMessages = { left: HUB_FREE_MESSAGES_PER_MINUTE, since: now };
    // No error is sent. Reading only waits.
    if (--freeMessages.left < 0) inTurn(() => pay().catch(ignoreTooMany));
  }

  function send(text: string): void {
    if (socket.readyState !== socket.OPEN) return;
    // The client would only fall further behind. It reconnects and reads what it has missed.
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
      throw new TooManyRequestsError(
        `A connection can follow at most ${HUB_SUBSCRIPTIONS_MAX_COUNT} jobs, batches and tenants.`,
      );
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
      if (id !== undefined) send(protocol.failedCompletion(id, errorText(error)));
      // The client reconnects with a new token.
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
        end("The message is not of SignalR's JSON protocol.");
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
    if (rest.length > HUB_MESSAGE_MAX_BYTES) end("The message is too large.");
    for (const one of records) if (socket.readyState === socket.OPEN) take(one);
  });
  // Frames of the WebSocket protocol. The library answers them.
  socket.on("ping", payForMessage).on("pong", payForMessage);
  // Any error ends the connection.
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

/** The client calls an unknown method, or calls one wrongly. */
class CallError extends Error {}

/** The error for the client. Starts with the code, as in errors over HTTP. */
function errorText(error: unknown): string {
  if (isSystemError(error) && error.code !== "InternalError") return `${error.code}: ${error.message}`;
  return error instanceof CallError ? `InvalidRequest: ${messageOf(error)}` : "InternalError: Internal error.";
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return (data instanceof ArrayBuffer ? Buffer.from(data) : data).toString();
}
