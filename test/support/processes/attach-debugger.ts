/** A debugger for tests, as an editor is one: attaches to a process that waits, and sees where it stops. */
import WebSocket from "ws";
import { eventuallyFound } from "../eventually.ts";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly result?: { readonly scriptSource?: string };
  readonly params?: {
    readonly callFrames?: readonly { readonly location: { readonly scriptId: string; readonly lineNumber: number } }[];
  };
}

export interface Stopped {
  /** The line of code that it stands at. */
  readonly line: string;
  /** Lets it run, and leaves it. */
  readonly resume: () => void;
}

/** Resolves when the process stands at its first stop. */
export async function attachDebugger(port: number): Promise<Stopped> {
  const address = await eventuallyFound(async () => {
    const list = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
      readonly webSocketDebuggerUrl: string;
    }[];
    return list[0]?.webSocketDebuggerUrl;
  });
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  let id = 0;
  const waiting = new Map<number, (message: Message) => void>();
  const stopped = Promise.withResolvers<Message>();
  socket.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString()) as Message;
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    if (message.method === "Debugger.paused") stopped.resolve(message);
  });
  const call = (method: string, params: object = {}): Promise<Message> =>
    new Promise((resolve) => {
      waiting.set(++id, resolve);
      socket.send(JSON.stringify({ id, method, params }));
    });
  await call("Runtime.enable");
  await call("Debugger.enable");
  void call("Runtime.runIfWaitingForDebugger");
  const { params } = await stopped.promise;
  const { scriptId = "", lineNumber = 0 } = params?.callFrames?.[0]?.location ?? {};
  const { result } = await call("Debugger.getScriptSource", { scriptId });
  return {
    line: result?.scriptSource?.split("\n")[lineNumber] ?? "",
    resume: () => void call("Debugger.resume").then(() => socket.close()),
  };
}
