/** Serves the page that follows a batch, with our client as it is published and SignalR's as its makers built it. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buildClient } from "../../runtime/package/build/build-jobyard-package.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

export interface PageServer extends AsyncDisposable {
  readonly origin: string;
  /** The same page of another origin. */
  readonly otherOrigin: string;
}

const SIGNALR = join(import.meta.dirname, "../../node_modules/@microsoft/signalr/dist/browser/signalr.min.js");

export async function startPageServer(): Promise<PageServer> {
  await using directory = await temporaryDirectory();
  await buildClient(join(directory.path, "client.js"));
  const script = "text/javascript";
  const files = new Map([
    ["/", { type: "text/html", body: await readFile(join(import.meta.dirname, "following-page.html")) }],
    ["/client.js", { type: script, body: await readFile(join(directory.path, "client.js")) }],
    ["/signalr.min.js", { type: script, body: await readFile(SIGNALR) }],
  ]);
  const listen = async () => {
    const server = createServer((request, response) => {
      const file = files.get(request.url ?? "");
      response.writeHead(file ? 200 : 404, { "content-type": file?.type ?? "text/plain" }).end(file?.body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return server;
  };
  const servers = await Promise.all([listen(), listen()]);
  const [origin = "", otherOrigin = ""] = servers.map(
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  );
  return {
    origin,
    otherOrigin,
    async [Symbol.asyncDispose]() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}
