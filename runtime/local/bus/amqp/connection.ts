/** What the AMQP front does to each connection: time limits, SASL, and quick small exchanges. */
import type { Server, Socket } from "node:net";
import { WIRE_LIMITS } from "./front.ts";
import type { AmqpError, Connection, Container } from "./rhea.ts";

export interface ConnectionLimits {
  /** Default WIRE_LIMITS.openTimeoutMs. */
  readonly openTimeoutMs?: number;
  /** Default WIRE_LIMITS.tokenTimeoutMs. */
  readonly tokenTimeoutMs?: number;
  /** How long a connection stays after our end of it. Default 2 s. */
  readonly lingerMs?: number;
}

export interface EndSilentOptions {
  readonly limits?: ConnectionLimits | undefined;
  /** Whether the client has brought a token that was accepted. */
  readonly isProved: (connection: Connection) => boolean;
}

/** Ends connections that do not open in time, or open and bring no valid token in time. */
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

/** The interface of a SASL mechanism in rhea. */
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

/**
 * Refuses SASL PLAIN (key name and key), which the bus does not support. A SASL refusal has no text, so the mechanism
 * succeeds and the connection is then closed with a reason.
 */
export function refusePlain(container: Container): void {
  container.sasl_server_mechanisms.PLAIN = () => new RefusedPlain();
  container.on("connection_open", ({ connection }) => {
    if (usesPlain(connection)) connection.close(REFUSAL);
  });
}

const usesPlain = ({ sasl_transport: sasl }: Connection): boolean => sasl?.selected?.mechanism instanceof RefusedPlain;

/** Writes all frames of one turn in one system call. rhea writes every frame by itself. */
export function corkSocket(socket: Socket): void {
  const write = socket.write.bind(socket);
  let corked = false;
  const corkingWrite = (...args: Parameters<Socket["write"]>): boolean => {
    if (!corked) {
      corked = true;
      socket.cork();
      // After everything that this turn writes, before the event loop waits again.
      setImmediate(() => {
        corked = false;
        socket.uncork();
      });
    }
    return write(...args);
  };
  socket.write = corkingWrite as Socket["write"];
}

/** A frame without content: AMQP's keep-alive, which the peer ignores. */
const EMPTY_FRAME = Buffer.from([0, 0, 0, 8, 2, 0, 0, 0]);

const ANSWER_WITHIN_MS = 1;
/** While results wait for the disk, an answer will come soon. It may be for another client, so the wait has a limit. */
const MOST_LOOKS = 8;

/**
 * Sends an empty frame when nothing else answers the client. The SDK leaves Nagle's algorithm on: after a packet (say,
 * new credit) it holds the next one (say, a message) until we acknowledge. The kernel delays an acknowledgement without
 * data by 40 ms. Call it once the connection is open.
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
    // Only a write after the latest packet of the client acknowledges that packet too.
    writtenBefore = socket.bytesWritten;
    looks = 0;
    timer ??= setTimeout(look, ANSWER_WITHIN_MS);
  });
  socket.once("close", () => clearTimeout(timer));
}
