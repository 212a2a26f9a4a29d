/** What makes small exchanges over TCP quick: few system calls on our side, no waiting for acknowledgements on theirs. */
import type { Socket } from "node:net";

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
