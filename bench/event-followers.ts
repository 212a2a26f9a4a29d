/**
 * Clients that follow a tenant's events over raw connections. They do as little as possible, so that the API is
 * measured.
 */
import { request, type IncomingMessage } from "node:http";
import { WebSocket } from "ws";

export interface EventFollower {
  /** Events so far. */
  readonly count: number;
  /** The time of the latest, by `performance.now()`. */
  readonly heardAt: number;
  readonly isOpen: boolean;
  /** Stops reading, so that data stays in the network, and resumes. */
  pause(): void;
  resume(): void;
  close(): void;
}

interface Target {
  readonly url: string;
  readonly tenantName: string;
  readonly token: string;
}

interface Counted {
  count: number;
  heardAt: number;
  isOpen: boolean;
}

function count(state: Counted, text: string, mark: string): void {
  const found = text.split(mark).length - 1;
  if (found === 0) return;
  state.count += found;
  state.heardAt = performance.now();
}

/** Server-Sent Events. Resolves when the stream has begun. */
export function followByStream({ url, tenantName, token }: Target): Promise<EventFollower> {
  const state: Counted = { count: 0, heardAt: 0, isOpen: true };
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const sent = request(`${url}/v1/events?tenantName=${tenantName}`, { agent: false, headers }, (response) => {
      if (response.statusCode !== 200) {
        reject(new Error(`The API answered a stream with ${String(response.statusCode)}.`));
        return;
      }
      listen(response);
      resolve(
        Object.assign(state, {
          pause: () => void response.pause(),
          resume: () => void response.resume(),
          close: () => void sent.destroy(),
        }),
      );
    });
    const listen = (response: IncomingMessage): void => {
      response.setEncoding("utf8");
      response.on("data", (text: string) => count(state, text, "\nevent: "));
      response.once("close", () => (state.isOpen = false));
      // A broken connection counts as closed.
      response.on("error", () => undefined);
    };
    sent.once("error", reject);
    sent.end();
  });
}

const END = "\u001e";

/** The hub, with SignalR's JSON protocol. Resolves when the subscription is confirmed. */
export function followByHub({ url, tenantName, token }: Target): Promise<EventFollower> {
  const state: Counted = { count: 0, heardAt: 0, isOpen: true };
  const headers = { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/hubs/jobs`, { headers, perMessageDeflate: false });
    const subscribe = { type: 1, target: "SubscribeToTenant", arguments: [tenantName], invocationId: "1" };
    socket.once("open", () => {
      socket.send(`{"protocol":"json","version":1}${END}${JSON.stringify(subscribe)}${END}`);
    });
    socket.on("message", (data: Buffer) => {
      const text = data.toString();
      count(state, text, '"type":1,');
      if (!text.includes('"invocationId":"1"')) return;
      resolve(
        Object.assign(state, {
          pause: () => socket.pause(),
          resume: () => socket.resume(),
          close: () => socket.terminate(),
        }),
      );
    });
    socket.once("close", () => (state.isOpen = false));
    socket.on("error", reject);
  });
}
