/** One system call for all that is written in one go: rhea writes every frame by itself. */
import type { Socket } from "node:net";

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
