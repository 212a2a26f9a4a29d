/**
 * A receiver of webhooks on this machine, over http or real https, that records what it gets and answers as the test
 * says.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { readFile } from "node:fs/promises";
import { caFileOf, certificateIn } from "../../../runtime/local/identity/certificate.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

export interface Received {
  readonly headers: IncomingMessage["headers"];
  readonly path: string;
  readonly body: string;
}

export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** In the order they came. */
  readonly received: readonly Received[];
  /** Connections that were opened, whether or not anything came over them. */
  readonly connectionCount: number;
  /** What it does with each request from now on; a number is a status. Default 204. */
  answer: number | ((response: ServerResponse, received: Received) => void);
  /** Of https: the certificate of its authority, and the file it lies in. */
  readonly ca: string;
  readonly caFile: string;
  /** Resolves when so many requests have come. */
  count(n: number): Promise<readonly Received[]>;
}

export async function startReceiver(protocol: "http" | "https" = "http"): Promise<WebhookReceiver> {
  const received: Received[] = [];
  const waiting: (() => void)[] = [];
  const state = { answer: 204 as WebhookReceiver["answer"], connectionCount: 0 };
  const listener: RequestListener = (request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const one = { headers: request.headers, path: request.url ?? "", body: Buffer.concat(parts).toString() };
      received.push(one);
      for (const look of waiting) look();
      if (typeof state.answer === "number") response.writeHead(state.answer).end();
      else state.answer(response, one);
    });
  };
  const directory = await temporaryDirectory();
  const isHttps = protocol === "https";
  const server = isHttps
    ? createHttpsServer(await certificateIn(directory.path, Date.now()), listener)
    : createHttpServer(listener);
  server.on("connection", () => state.connectionCount++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The receiver has no port.");
  const caFile = caFileOf(directory.path);
  return {
    url: `${protocol}://127.0.0.1:${address.port}/hook`,
    port: address.port,
    received,
    get connectionCount() {
      return state.connectionCount;
    },
    get answer() {
      return state.answer;
    },
    set answer(answer) {
      state.answer = answer;
    },
    ca: isHttps ? await readFile(caFile, "utf8") : "",
    caFile,
    count: (n) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (received.length >= n) resolve(received);
        };
        waiting.push(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await directory[Symbol.asyncDispose]();
    },
  };
}
