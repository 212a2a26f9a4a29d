/** An HTTP server for a fake service: JSON in, JSON out, and no answer when a test wants none. */
import { createServer, type IncomingMessage } from "node:http";

export interface LoopbackRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

export interface LoopbackAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface LoopbackServer extends AsyncDisposable {
  readonly url: string;
}

/** "silence": the connection stays open without an answer until the server is closed. */
export async function startLoopbackServer(
  handle: (request: LoopbackRequest) => Promise<LoopbackAnswer | "silence"> | LoopbackAnswer | "silence",
): Promise<LoopbackServer> {
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      const answer = await handle({
        method: incoming.method ?? "",
        url: new URL(incoming.url ?? "/", "http://fake"),
        headers: incoming.headers,
        body: text === "" ? undefined : JSON.parse(text),
      });
      if (answer === "silence") return;
      outgoing.writeHead(answer.status, { "Content-Type": "application/json", ...answer.headers });
      outgoing.end(answer.body === undefined ? "" : JSON.stringify(answer.body));
    })().catch((error: unknown) => {
      outgoing.writeHead(500).end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The fake server has no port.");
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
