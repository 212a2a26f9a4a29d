/** Sends a request to a server of this process with each kind of client, and prints the responses. Its proxy refuses all. */
import http from "node:http";
import { BlobServiceClient } from "@azure/storage-blob";
import { keepLoopbackDirect } from "../../../runtime/platform/loopback-direct.mjs";

keepLoopbackDirect();
const server = http.createServer((_request, response) => {
  response.setHeader("content-type", "text/plain");
  response.end("direct");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address();
const url = (host) => `http://${host}:${port}/devstoreaccount1`;
const blobs = new BlobServiceClient(url("127.0.0.1"), undefined, { retryOptions: { maxTries: 1 } });
const asked = {
  fetch: () => fetch(url("127.0.0.1")),
  "fetch by name": () => fetch(url("localhost")),
  http: () =>
    new Promise((resolve, reject) => {
      http.get(url("127.0.0.1"), (answer) => resolve(answer.resume())).once("error", reject);
    }),
  azure: () => blobs.getContainerClient("c").exists(),
};
for (const [way, ask] of Object.entries(asked)) {
  const how = await ask().then(
    () => "direct",
    (error) => error.cause?.code ?? error.code ?? String(error),
  );
  console.log(`${way}: ${how}`);
}
server.close();
server.closeAllConnections();
