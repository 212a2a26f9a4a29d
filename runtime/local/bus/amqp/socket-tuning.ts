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

/**
 * Sends an empty frame when nothing else answers what the client has sent. The SDK leaves Nagle's algorithm on: after a
 * packet of its own (say, new credit) it holds the next one (say, a message) until we acknowledge, and the kernel puts
 * that off by 40 ms unless there is data to go with it. To be used once the connection is open.
 */
export function answerQuickly(socket: Socket): void {
  let timer: NodeJS.Timeout | undefined;
  let writtenBefore = 0;
  const answer = (): void => {
    timer = undefined;
    if (socket.writable && socket.bytesWritten === writtenBefore) socket.write(EMPTY_FRAME);
  };
  socket.on("data", () => {
    // Only what is written after the latest of their packets acknowledges that one too.
    writtenBefore = socket.bytesWritten;
    timer ??= setTimeout(answer, ANSWER_WITHIN_MS);
  });
  socket.once("close", () => clearTimeout(timer));
}
