/** An HTTP proxy before the API whose every answer a test decides: passed on, dropped, refused, or cut in its middle. */
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { buffer } from "node:stream/consumers";

/**
 * - `pass`: as if there were no proxy.
 * - `drop`: the connection breaks before the request arrives.
 * - `lose`: the request is carried out, then the connection breaks.
 * - `half`: the request is carried out, and half of the answer arrives.
 * - `hang`: the request does not arrive, and there is no answer.
 * - `429`, `503`: refused, with `Retry-After: 0`; `502`: a gateway's page, after carrying the request out.
 */
export type HttpFate = "pass" | "drop" | "lose" | "half" | "hang" | "429" | "502" | "503";

export interface HttpFaultProxy extends AsyncDisposable {
  readonly url: string;
  /** All so far, oldest first. */
  readonly requests: SeenRequest[];
  /** Decides about the requests from now on. */
  decide: (request: SeenRequest) => HttpFate;
  /** Where requests go from now on: another API in the place of the first. */
  target: string;
  /** Breaks every open connection at once. */
  cut(): void;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly fate?: HttpFate;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export async function startHttpFaultProxy(target: string): Promise<HttpFaultProxy> {
  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The proxy has no port.");
  const proxy: HttpFaultProxy = {
    url: `http://127.0.0.1:${address.port}`,
    requests: [],
    decide: () => "pass",
    target,
    cut: () => server.closeAllConnections(),
    [Symbol.asyncDispose]: () => closed(server),
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url: path = "/", headers } = request;
    const fate = proxy.decide({ method, path, headers });
    proxy.requests.push({ method, path, headers, fate });
    switch (fate) {
      case "drop":
        request.socket.destroy();
        return;
      case "hang":
        return;
      case "429":
      case "503": {
        await buffer(request);
        const code = fate === "429" ? "TooManyRequests" : "StorageUnavailable";
        response.writeHead(Number(fate), { "content-type": "application/json", "retry-after": "0" });
        response.end(JSON.stringify({ error: { code, message: "Later.", requestId: "proxy" } }));
        return;
      }
      case "pass":
        forward(proxy.target, request, response);
        return;
      case "lose":
      case "half":
      case "502": {
        const answer = await carriedOut(proxy.target, request);
        if (fate === "502") response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad gateway</h1>");
        else if (fate === "half") await half(response, answer);
        else request.socket.destroy();
      }
    }
  }
  return proxy;
}

/** As it comes, in both directions. */
function forward(target: string, request: IncomingMessage, response: ServerResponse): void {
  const { method, url: path, headers } = request;
  const { hostname, port } = new URL(target);
  const outgoing = httpRequest({ hostname, port, method, path, headers, agent: false }, (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
    answer.once("error", () => response.destroy());
  });
  outgoing.once("error", () => request.socket.destroy());
  response.once("close", () => outgoing.destroy());
  request.pipe(outgoing);
}

async function carriedOut(target: string, request: IncomingMessage): Promise<Answer> {
  const { method, url: path, headers } = request;
  const { hostname, port } = new URL(target);
  const body = await buffer(request);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ hostname, port, method, path, headers, agent: false }, (answer) => {
      buffer(answer)
        .then((content) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: content }))
        .catch(reject);
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

async function half(response: ServerResponse, { status, headers, body }: Answer): Promise<void> {
  response.writeHead(status, headers);
  await new Promise((resolve) => response.write(body.subarray(0, Math.ceil(body.length / 2)), resolve));
  response.destroy();
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
