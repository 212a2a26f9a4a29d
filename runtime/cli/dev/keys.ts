/** Keys while a command runs: single ones on a terminal, and letters with a line end from other programs. */
import type { Surroundings } from "../terminal.ts";

export interface Keys {
  close(): void;
}

const CONTROL_C = "\u0003";

/** `onKey` is called with letters. Ctrl-C goes on to interrupt the process. */
export function readKeys({ input }: Pick<Surroundings, "input">, onKey: (key: string) => void): Keys {
  const terminal = input as NodeJS.ReadableStream & Partial<Pick<NodeJS.ReadStream, "isTTY" | "setRawMode">>;
  const isTerminal = terminal.isTTY === true && terminal.setRawMode !== undefined;
  const onData = (chunk: Buffer | string): void => {
    for (const key of String(chunk)) {
      // A terminal that passes on single keys sends no signal itself.
      if (key === CONTROL_C) process.kill(process.pid, "SIGINT");
      else if (/[a-z]/i.test(key)) onKey(key.toLowerCase());
    }
  };
  if (isTerminal) terminal.setRawMode?.(true);
  input.on("data", onData);
  input.resume();
  return {
    close() {
      input.off("data", onData);
      // Otherwise it would keep the process alive.
      input.pause();
      if (isTerminal) terminal.setRawMode?.(false);
    },
  };
}
