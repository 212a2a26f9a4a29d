/** Ends connections that prove nothing: not opened in time, or opened and without a token. */
import type { Server, Socket } from "node:net";
import { WIRE_LIMITS } from "./front.ts";
import type { AmqpError, Connection, Container } from "./rhea.ts";

export interface ConnectionLimits {
  /** Default WIRE_LIMITS.openTimeoutMs. */
  readonly openTimeoutMs?: number;
  /** Default WIRE_LIMITS.tokenTimeoutMs. */
  readonly tokenTimeoutMs?: number;
  /** How long a connection stays after our end of it. Default SOCKET_LINGER_MS. */
  readonly lingerMs?: number;
}

export interface EndSilentOptions {
  readonly limits?: ConnectionLimits | undefined;
  /** Whether the client has brought a token that was accepted. */
  readonly isProved: (connection: Connection) => boolean;
}

export function endSilent(server: Server, container: Container, { limits = {}, isProved }: EndSilentOptions): void {
  const { openTimeoutMs = WIRE_LIMITS.openTimeoutMs, tokenTimeoutMs = WIRE_LIMITS.tokenTimeoutMs } = limits;
  const opened = new WeakSet<Socket>();
  container.on("connection_open", ({ connection }) => {
    opened.add(connection.socket);
    endUnless(connection.socket, tokenTimeoutMs, () => isProved(connection));
  });
  server.on("connection", (socket) => endUnless(socket, openTimeoutMs, () => opened.has(socket)));
}

function endUnless(socket: Socket, afterMs: number, isFine: () => boolean): void {
  const timer = setTimeout(() => {
    if (!isFine()) socket.destroy();
  }, afterMs);
  socket.once("close", () => clearTimeout(timer));
}

// SASL PLAIN (key name and key) is not offered here. SASL has no words for a refusal, so the mechanism succeeds and the
// connection is then closed with a reason.

/** What rhea asks of a mechanism. */
class RefusedPlain {
  outcome: boolean | undefined;

  start(): void {
    this.outcome = true;
  }
}

const REFUSAL: AmqpError = {
  condition: "amqp:not-implemented",
  description:
    "SASL PLAIN is not supported by the local Service Bus: use ANONYMOUS or MSSBCBS and put a token to $cbs.",
};

export function refusePlain(container: Container): void {
  container.sasl_server_mechanisms.PLAIN = () => new RefusedPlain();
  container.on("connection_open", ({ connection }) => {
    if (usesPlain(connection)) connection.close(REFUSAL);
  });
}

const usesPlain = ({ sasl_transport: sasl }: Connection): boolean => sasl?.selected?.mechanism instanceof RefusedPlain;

// What makes small exchanges over TCP quick: few system calls on our side, no waiting for acknowledgements on theirs.

/** One system call for all that is written in one go: rhea writes every frame by itself. */
export function corkSocket(socket: Socket): void {
  const write = socket.write.bind(socket);
  let corked = false;
  const corkingWrite = (...args: Parameters<Socket["write"]>): boolean => {
    if (!corked) {
      corked = true;
      socket.cork();
      // Behind everything this turn still writes, before the event loop waits again.
      setImmediate(() => {
        corked = false;
        socket.uncork();
      });
    }
    return write(...args);
  };
  socket.write = corkingWrite as Socket["write"];
}

/** A frame without content: AMQP's keep-alive, which the peer passes over. */
const EMPTY_FRAME = Buffer.from([0, 0, 0, 8, 2, 0, 0, 0]);

const ANSWER_WITHIN_MS = 1;
/** While results are on their way to the disk an answer is about to come anyway; but it may be for someone else. */
const MOST_LOOKS = 8;

/**
 * Sends an empty frame when nothing else answers what the client has sent. The SDK leaves Nagle's algorithm on: after a
 * packet of its own (say, new credit) it holds the next one (say, a message) until we acknowledge, and the kernel puts
 * that off by 40 ms unless there is data to go with it. To be used once the connection is open.
 */
export function answerQuickly(socket: Socket, resultsPending: () => boolean): void {
  let timer: NodeJS.Timeout | undefined;
  let writtenBefore = 0;
  let looks = 0;
  const look = (): void => {
    timer = undefined;
    if (!socket.writable || socket.bytesWritten !== writtenBefore) return;
    if (++looks < MOST_LOOKS && resultsPending()) timer = setTimeout(look, ANSWER_WITHIN_MS);
    else socket.write(EMPTY_FRAME);
  };
  socket.on("data", () => {
    // Only what is written after the latest of their packets acknowledges that one too.
    writtenBefore = socket.bytesWritten;
    looks = 0;
    timer ??= setTimeout(look, ANSWER_WITHIN_MS);
  });
  socket.once("close", () => clearTimeout(timer));
}
