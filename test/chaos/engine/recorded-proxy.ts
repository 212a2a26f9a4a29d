/**
 * A recorder before Azurite: passes everything on and writes every write of rows into a file, in the order in which
 * storage carried them out. Writes are passed on one at a time, so that this order is certain; a request whose sender
 * dies while it is under way is carried out all the same, as on a real network.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { Agent, createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { isRowWrite, recordOf } from "./storage-wire.ts";

export interface RecorderOptions {
  readonly port: number;
  readonly targetPort: number;
  /** One JSON object a line: see `WireRecord`. Appended to. */
  readonly file: string;
}

export interface Recorder {
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

const HOST = "127.0.0.1";

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export async function startRecorder({ port, targetPort, file }: RecorderOptions): Promise<Recorder> {
  const agent = new Agent({ keepAlive: true });
  const log = openSync(file, "a");
  let writes: Promise<unknown> = Promise.resolve();

  async function carryOut(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const answer = await forward(agent, targetPort, request, body);
    const { method = "", url = "", headers } = request;
    const { status } = answer;
    const record = recordOf(
      { method, url, headers, body: body.toString() },
      { status, etag: answer.headers.etag, body: answer.body.toString() },
      Date.now(),
    );
    writeSync(log, `${JSON.stringify(record)}\n`);
    return answer;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    if (!isRowWrite({ method: request.method ?? "", url: request.url ?? "" })) {
      reply(response, await forward(agent, targetPort, request, body));
      return;
    }
    const write = writes.then(() => carryOut(request, body));
    writes = write.catch(() => undefined);
    reply(response, await write);
  }

  const server = createServer((request, response) => {
    // A sender that died mid-request, or storage that is gone: the connection says so.
    handle(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, resolve);
  });
  return {
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await writes;
      agent.destroy();
      closeSync(log);
    },
  };
}

function forward(agent: Agent, port: number, { method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ agent, host: HOST, port, method, path: url, headers }, (answer) => {
      buffer(answer)
        .then((content) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: content }))
        .catch(reject);
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

function reply(response: ServerResponse, { status, headers, body }: Answer): void {
  const { "transfer-encoding": _encoding, connection: _connection, ...passed } = headers;
  response.writeHead(status, passed);
  response.end(body);
}
