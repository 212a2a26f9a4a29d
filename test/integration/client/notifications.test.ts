import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobServiceClient } from "../../../runtime/client/index.ts";

/** A service that sends events as the contract says, controlled by the test. */
const streams: { readonly request: IncomingMessage; readonly response: ServerResponse }[] = [];
const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://service");
  if (pathname === "/v1/events" && searchParams.get("jobId") !== "forbidden") {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(": here\n\n");
    streams.push({ request, response });
  } else if (pathname === "/v1/events") {
    response.writeHead(404, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { code: "JobNotFound", message: "No such job.", requestId: "r" } }));
  } else response.writeHead(200, { "content-type": "application/json" }).end("{}");
});
let url: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  url = typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "";
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const eventOf = (eventType: string, sequence: number, fields: object = {}): string => {
  const data = { version: 1, eventType, sequence, jobId: "a.1.00.1", batchId: "a.1", tenantName: "a", ...fields };
  return `id: ${sequence}\nevent: ${eventType}\ndata: ${JSON.stringify(data)}\n\n`;
};

describe("notifications", () => {
  it("arrive in order, once each, across broken connections and two subscriptions", async () => {
    const client = new JobServiceClient(url, { retry: { firstDelayMs: 5, maxDelayMs: 10 } });
    const { notifications } = client;
    const heard: string[] = [];
    const missed: object[] = [];
    const changes: string[] = [];
    notifications.on("connectionChanged", ({ selection: { jobId }, isOpen }) => {
      if (jobId !== undefined) changes.push(isOpen ? "open" : "broken");
    });
    const stop = notifications.on("jobStarted", ({ sequence }) => heard.push(`started ${sequence}`));
    notifications.on("jobProgressed", ({ sequence, progress }) => heard.push(`${sequence} ${progress.text ?? ""}`));
    notifications.on("missed", ({ selection }) => missed.push(selection));
    notifications.on("jobCompleted", ({ status }) => heard.push(status));
    await notifications.connect();
    await notifications.subscribeToJob("a.1.00.1");
    await notifications.subscribeToBatch("a.1");
    const [one, other] = streams.splice(0);
    expect([one, other].map((stream) => stream?.request.url)).toEqual([
      "/v1/events?jobId=a.1.00.1",
      "/v1/events?batchId=a.1",
    ]);
    one?.response.write(eventOf("jobStarted", 1));
    // Cut into pieces, with unknown fields, and half an event at the end.
    for (const piece of eventOf("jobProgressed", 2, { progress: { text: "grüß\ndich" } }).split(/(?<=.{7})/su))
      one?.response.write(piece);
    one?.response.write(eventOf("jobDreamt", 3));
    await expect.poll(() => heard).toEqual(["started 1", "2 grüß\ndich"]);
    one?.response.write("id: 4\nevent: jobCompleted\ndata: {");
    one?.response.destroy();
    await expect.poll(() => streams.length).toBe(1);
    expect(streams[0]?.request.headers["last-event-id"]).toBe("3");
    streams[0]?.response.write("event: missed\ndata: {}\n\n");
    streams[0]?.response.write(eventOf("jobProgressed", 2) + eventOf("jobCompleted", 4, { status: "succeeded" }));
    await expect.poll(() => heard.length).toBe(3);
    other?.response.write(eventOf("jobStarted", 1) + eventOf("jobCompleted", 4, { status: "succeeded" }));
    stop();
    other?.response.write(eventOf("jobStarted", 5) + eventOf("jobProgressed", 6, { progress: { text: "again" } }));
    await expect.poll(() => heard).toEqual(["started 1", "2 grüß\ndich", "succeeded", "6 again"]);
    expect(missed).toEqual([{ jobId: "a.1.00.1" }]);
    expect(changes).toEqual(["open", "broken", "open"]);
    notifications.disconnect();
    await expect.poll(() => other?.request.socket.destroyed).toBe(true);
  });

  it("report why they cannot start", async () => {
    const { notifications } = new JobServiceClient(url);
    await expect(notifications.subscribeToJob("forbidden")).rejects.toMatchObject({ code: "JobNotFound" });
  });
});
