/**
 * A network between clients and the run's Azurite that can be made to fail: requests are counted and each meets the
 * fate the test decides. The clients under test are the production ones; only their connection string differs.
 */
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from "node:http";
import { buffer } from "node:stream/consumers";
import { inject } from "vitest";

/**
 * - `pass`: as if there were no proxy.
 * - `drop`: the connection breaks before the request arrives.
 * - `lose`: the request is carried out, then the connection breaks.
 * - `late`: the connection breaks; the request arrives at `releaseLate`.
 * - `fail`, `fail-after`: answered with status 500, without or after carrying the request out.
 */
export type Fate = "pass" | "drop" | "lose" | "late" | "fail" | "fail-after";

export interface ProxiedRequest {
  readonly method: string;
  readonly url: string;
}

export interface StorageProxy extends AsyncDisposable {
  readonly connectionString: string;
  /** All so far, oldest first. */
  readonly requests: ProxiedRequest[];
  /** Decides the fate of the requests from now on. */
  decide: (request: ProxiedRequest) => Fate;
  /** Carries the held requests out, in order; resolves when storage has answered them. */
  releaseLate(): Promise<void>;
}

/** Whether a request writes rows: transactions are the only way jobs are written. */
export const isTransaction = ({ url }: ProxiedRequest): boolean => url.includes("$batch");

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

const FAILURE: Answer = { status: 500, headers: {}, body: Buffer.alloc(0) };

/** Proxies both services behind the connection string. */
export async function startStorageProxy(target = inject("storageConnectionString")): Promise<StorageProxy> {
  const agent = new Agent({ keepAlive: true });
  const servers: Server[] = [];
  const late: (() => Promise<unknown>)[] = [];
  const proxy: StorageProxy = {
    connectionString: "",
    requests: [],
    decide: () => "pass",
    async releaseLate() {
      for (const send of late.splice(0)) await send();
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await Promise.all(servers.map(closeServer));
    },
  };

  async function handle(endpoint: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = { method: request.method ?? "", url: request.url ?? "" };
    const body = await buffer(request);
    const forward = (): Promise<Answer> => send(agent, endpoint, request, body);
    proxy.requests.push(seen);
    const fate = proxy.decide(seen);
    if (fate === "late") late.push(forward);
    const answer = fate === "pass" || fate === "lose" || fate === "fail-after" ? await forward() : undefined;
    if (fate === "pass" && answer !== undefined) reply(response, answer);
    else if (fate === "fail" || fate === "fail-after") reply(response, FAILURE);
    else request.socket.destroy();
  }

  async function listen(endpoint: URL): Promise<number> {
    const server = createServer((request, response) => {
      handle(endpoint, request, response).catch(() => request.socket.destroy());
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  const parts = await Promise.all(
    target.split(";").map(async (part) => {
      const [, name, address] = /^(\w+Endpoint)=(.*)$/.exec(part) ?? [];
      if (name === undefined || address === undefined) return part;
      const endpoint = new URL(address);
      return `${name}=http://127.0.0.1:${await listen(endpoint)}${endpoint.pathname}`;
    }),
  );
  return Object.assign(proxy, { connectionString: parts.join(";") });
}

function send(agent: Agent, endpoint: URL, { method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname: host, port } = endpoint;
    const outgoing = httpRequest({ agent, host, port, method, path: url, headers }, (answer) => {
      buffer(answer)
        .then((content) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: content }))
        .catch(reject);
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

function reply(response: ServerResponse, { status, headers, body }: Answer): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && name !== "transfer-encoding" && name !== "connection") response.setHeader(name, value);
  }
  response.end(body);
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
