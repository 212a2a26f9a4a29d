/**
 * A service that receives a webhook when a batch of jobs is complete.
 *
 *   WEBHOOK_SECRET=whsec_… PORT=3000 node docs/samples/webhook-receiver.ts
 *
 * Put it behind your https address and register that address: npx --no jobyard webhooks acme --put billing --to https://…
 */
import { createServer, type IncomingMessage } from "node:http";
import { verifyWebhook, WebhookRefusedError, type WebhookMessage } from "jobyard/client";

const { WEBHOOK_SECRET = "", PORT = "3000" } = process.env;
const BODY_MAX_BYTES = 64 * 1024;

/** Ids of processed messages. A real service stores them with its data, in the same transaction. */
const seen = new Set<string>();

const server = createServer((request, response) => {
  receive(request).then(
    (status) => response.writeHead(status).end(),
    (error: unknown) => {
      const isForged = error instanceof WebhookRefusedError;
      console.error(isForged ? error.code : error);
      // The service sends the message again later if the response is not 2xx.
      response.writeHead(isForged ? 401 : 500).end();
    },
  );
});

async function receive(request: IncomingMessage): Promise<number> {
  // Verify the body exactly as received: parsing and serializing it again changes the signature.
  const body = await readBody(request);
  const { id, message } = await verifyWebhook(request.headers, body, WEBHOOK_SECRET);
  if (seen.has(id)) return 204;
  handle(message);
  seen.add(id);
  return 204;
}

function handle(message: WebhookMessage): void {
  if (message.eventType === "ping") console.log("ping");
  // Ignore types that are added later.
  if (message.eventType !== "batchCompleted") return;
  const { batchName, batchId, counts } = message;
  console.log(`${batchName} (${batchId}): ${counts.succeeded} of ${counts.total} succeeded`);
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.byteLength;
    if (bytes > BODY_MAX_BYTES) throw new Error("The body is too large.");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

server.listen(Number(PORT), "127.0.0.1", () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === "object" ? address?.port : PORT}`);
});
process.once("SIGTERM", () => server.close());
