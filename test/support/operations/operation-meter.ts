/**
 * Counts the operations that the services bill, on the wire: a proxy in front of storage and one in front of the message
 * broker. Programs under measurement are the production ones; only their connection strings differ.
 */
import { EVENTS_TOPIC, TIMERS_TOPIC } from "../../../runtime/core/deployment/topology.ts";
import { CONTAINERS, TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import { startStorageProxy, type ProxiedRequest } from "../stores/storage-proxy.ts";
import { createFrameReader } from "./amqp-frames.ts";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";

/** Counts by name, such as `table jobs transaction` or `bus bell sent`. */
export type Counts = Readonly<Record<string, number>>;

export interface MeteredServices {
  readonly storage: string;
  readonly serviceBus: string;
}

export interface OperationMeter extends AsyncDisposable, MeteredServices {
  /** All since the meter started. */
  counts(): Counts;
  /** Messages that were received under lock, and not settled yet. */
  readonly unsettledCount: number;
}

/** Starts proxies in front of both services. The result has the connection strings that lead through them. */
export async function startOperationMeter(target: MeteredServices): Promise<OperationMeter> {
  const counts = new Map<string, number>();
  const add = (name: string, count = 1): void => void counts.set(name, (counts.get(name) ?? 0) + count);
  const storage = await startStorageProxy(target.storage);
  storage.decide = (request) => {
    add(storageName(request));
    return "pass";
  };
  const tally: Tally = { add, unsettledCount: 0 };
  const bus = await startBusProxy(target.serviceBus, tally);
  return {
    storage: storage.connectionString,
    serviceBus: bus.connectionString,
    counts: () => Object.fromEntries([...counts].toSorted(([a], [b]) => a.localeCompare(b))),
    get unsettledCount() {
      return tally.unsettledCount;
    },
    async [Symbol.asyncDispose]() {
      await bus[Symbol.asyncDispose]();
      await storage[Symbol.asyncDispose]();
    },
  };
}

/** What came after `before`, without names that did not grow. */
export const since = (before: Counts, after: Counts): Counts =>
  Object.fromEntries(
    Object.entries(after)
      .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );

/** The sum of all counts whose name begins so. */
export const sumOf = (counts: Counts, ...prefixes: readonly string[]): number =>
  Object.entries(counts)
    .filter(([name]) => prefixes.some((prefix) => name.startsWith(prefix)))
    .reduce((sum, [, count]) => sum + count, 0);

const TABLE_NAMES = Object.values(TABLES);
const CONTAINER_NAMES = Object.values(CONTAINERS);

/** A URL is `/account/table(PartitionKey=…)`, `/account/$batch` or `/account/container/blob`. */
function storageName({ method, url }: ProxiedRequest): string {
  const [path = ""] = decodeURIComponent(url).split("?");
  const [, , first = "", ...more] = path.split("/");
  const table = TABLE_NAMES.find((name) => first === name || first.startsWith(`${name}(`));
  if (first === "$batch") return "table transaction";
  if (table !== undefined && !(more.length > 0)) {
    if (method !== "GET") return `table write ${table}`;
    return first.includes("PartitionKey=") ? `table read ${table}` : `table query ${table}`;
  }
  const container = CONTAINER_NAMES.find((name) => name === first);
  return `blob ${method === "GET" || method === "HEAD" ? "read" : "write"} ${container ?? first}`;
}

interface Tally {
  readonly add: (name: string, count?: number) => void;
  unsettledCount: number;
}

async function startBusProxy(target: string, tally: Tally): Promise<AsyncDisposable & { connectionString: string }> {
  const { hostname, port } = new URL(/Endpoint=([^;]+)/.exec(target)?.[1] ?? "");
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    const service = connect({ host: hostname, port: Number(port), noDelay: true });
    const count = createLinkCounter(tally);
    client.on("data", createFrameReader(count.fromClient));
    service.on("data", createFrameReader(count.fromService));
    for (const [from, to] of [
      [client, service],
      [service, client],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      // The end of one side ends the other.
      from.on("error", () => from.destroy());
      from.once("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: own } = server.address() as AddressInfo;
  return {
    connectionString: target.replace(/Endpoint=[^;]+/, `Endpoint=sb://127.0.0.1:${own}`),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type OnFrame = Parameters<typeof createFrameReader>[0];

/**
 * Names what passes on one connection. Authorization is not billed and not counted. Neither are answers to requests: the
 * request has been counted.
 */
function createLinkCounter(tally: Tally): { readonly fromClient: OnFrame; readonly fromService: OnFrame } {
  const { add } = tally;
  const settled = (kind: string): void => {
    tally.unsettledCount--;
    add(`bus ${kind} settled`);
  };
  const names = { client: new Map<string, string>(), service: new Map<string, string>() };
  /** By a link's name: where it leads. */
  const addresses = new Map<string, string>();
  /** The service's channels by number: the client's channel of the same session. */
  const sessions = new Map<number, number>();
  /** Messages that the client has not settled, by channel of the client and number. */
  const unsettled = new Map<string, string>();
  const key = (channel: number, number: number): string => `${channel}/${number}`;
  return {
    fromClient(frame) {
      if (frame.kind === "attach") {
        names.client.set(key(frame.channel, frame.link), frame.name);
        addresses.set(frame.name, frame.isReceiver ? frame.source : frame.target);
      }
      if (frame.kind === "transfer") {
        const address = addresses.get(names.client.get(key(frame.channel, frame.link)) ?? "") ?? "";
        if (address === "$cbs") return;
        const operation = frame.operation?.replace("com.microsoft:", "");
        // A message whose link is gone is settled by a request.
        if (operation === "update-disposition") settled(kindOf(address));
        else add(`bus ${kindOf(address)} ${operation ?? "sent"}`, frame.messageCount);
      }
      if (frame.kind === "disposition" && frame.isReceiver) {
        for (let delivery = frame.first; delivery <= frame.last; delivery++) {
          const kind = unsettled.get(key(frame.channel, delivery));
          if (kind !== undefined) settled(kind);
          unsettled.delete(key(frame.channel, delivery));
        }
      }
    },
    fromService(frame) {
      if (frame.kind === "begin" && frame.answers !== undefined) sessions.set(frame.channel, frame.answers);
      if (frame.kind === "attach") names.service.set(key(frame.channel, frame.link), frame.name);
      if (frame.kind === "transfer") {
        const address = addresses.get(names.service.get(key(frame.channel, frame.link)) ?? "") ?? "";
        if (address.includes("$management") || address === "$cbs") return;
        add(`bus ${kindOf(address)} received`, frame.messageCount);
        if (frame.isSettled) return;
        tally.unsettledCount += frame.messageCount;
        unsettled.set(key(sessions.get(frame.channel) ?? frame.channel, frame.delivery), kindOf(address));
      }
    },
  };
}

function kindOf(address: string): "bell" | "event" | "tick" {
  const entity = address.replace(/^.*:\/\/[^/]*\//, "");
  if (entity.startsWith(EVENTS_TOPIC)) return "event";
  return entity.startsWith(TIMERS_TOPIC) ? "tick" : "bell";
}
