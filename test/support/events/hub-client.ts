/** One connection to the hub, a frame at a time. */
import { once } from "node:events";
import { WebSocket } from "ws";

export interface HubClient extends Disposable {
  readonly socket: WebSocket;
  readonly frames: readonly string[];
  /** Resolves to what is wrong with the call, or to undefined. */
  call(target: string, ...args: readonly unknown[]): Promise<string | undefined>;
  readonly closed: Promise<unknown>;
}

interface Refusal {
  readonly status: number | undefined;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

const END = "\u001e";
export const PING_FRAME = `{"type":6}${END}`;
let lastId = 0;

export const callFrame = (target: string, args: readonly unknown[], invocationId?: string): string =>
  JSON.stringify({ type: 1, target, arguments: args, invocationId }) + END;

export async function openHub(url: string, headers: Record<string, string> = {}): Promise<HubClient> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/hubs/jobs`, { headers });
  const frames: string[] = [];
  const waiting = new Map<string, (error: string | undefined) => void>();
  socket.on("message", (data: Buffer) => {
    for (const text of data.toString().split(END).filter(Boolean)) {
      frames.push(text);
      const { type, invocationId, error } = JSON.parse(text) as {
        type?: number;
        invocationId?: string;
        error?: string;
      };
      if (type === 3) waiting.get(invocationId ?? "")?.(error);
    }
  });
  const closed = once(socket, "close");
  await once(socket, "open");
  socket.on("error", () => undefined);
  socket.send(`{"protocol":"json","version":1}${END}`);
  return {
    socket,
    frames,
    closed,
    call: (target, ...args) =>
      new Promise((resolve) => {
        const id = String(++lastId);
        waiting.set(id, resolve);
        void closed.then(() => resolve("closed"));
        socket.send(callFrame(target, args, id));
      }),
    [Symbol.dispose]: () => socket.terminate(),
  };
}

/** How a connection is refused. */
export async function refusedHub(url: string, headers: Record<string, string>): Promise<Refusal> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/hubs/jobs`, { headers });
  socket.on("error", () => undefined);
  const [, response] = (await once(socket, "unexpected-response")) as [
    unknown,
    AsyncIterable<Buffer> & { readonly statusCode?: number; readonly headers: Record<string, string | undefined> },
  ];
  let body = "";
  for await (const chunk of response) body += chunk.toString();
  return { status: response.statusCode, retryAfter: response.headers["retry-after"], body };
}
