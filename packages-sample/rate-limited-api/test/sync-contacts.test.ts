/** The job against an API on this machine. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { runJob } from "jobyard/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRateLimit, type RateLimit } from "../src/rate-limit.ts";
import syncContacts, { type Services } from "../src/sync-contacts.ts";

interface Answer {
  readonly status: number;
  readonly retryAfter?: string;
}

let server: Server;
let api: URL;
/** Answers in order, and then 204. */
let answers: Answer[];
/** What arrived, as `PUT /contacts/a job/a`. */
let arrived: string[];

beforeEach(async () => {
  [answers, arrived] = [[], []];
  server = createServer(({ method, url, headers }, response) => {
    arrived.push(`${method ?? ""} ${url ?? ""} ${String(headers["idempotency-key"])}`);
    const { status, retryAfter } = answers.shift() ?? { status: 204 };
    response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  api = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

/** `pauses`: those that were asked for; they are not waited for. */
async function run(ids: readonly string[], signal?: AbortSignal) {
  const pauses: number[] = [];
  const fast = createRateLimit({ perSecond: 1_000, burst: 1_000 });
  const limit: RateLimit = { take: (stop) => fast.take(stop), pause: (ms) => void pauses.push(ms) };
  const services: Services = { api, limit };
  const parameters = { contacts: ids.map((id) => ({ id, email: `${id}@example.com` })) };
  return { pauses, ...(await runJob(syncContacts, { jobId: "job", parameters, services, signal })) };
}

describe("SyncContacts", () => {
  it("sends every contact once, with a key that is the same in every try", async () => {
    const { output } = await run(["a", "b"]);
    expect(output).toEqual({ contacts: 2 });
    expect(arrived).toEqual(["PUT /contacts/a job/a", "PUT /contacts/b job/b"]);
  });

  it("waits as long as the API asks, and repeats the call", async () => {
    answers = [{ status: 429, retryAfter: "2" }, { status: 503 }, { status: 204 }];
    const { pauses, output } = await run(["a", "b"]);
    expect(output).toEqual({ contacts: 2 });
    expect(pauses).toEqual([2_000, 1_000]);
    expect(arrived.map((line) => line.split(" ")[1])).toEqual([
      "/contacts/a",
      "/contacts/a",
      "/contacts/a",
      "/contacts/b",
    ]);
  });

  it("leaves a long wait to the retry policy of the job", async () => {
    answers = [{ status: 429, retryAfter: "3600" }];
    const long = await run(["a"]);
    expect(long.failure).toMatchObject({ retryable: true, message: "The API answered 429 and asks to wait 3600 s." });
    answers = Array.from({ length: 5 }, () => ({ status: 429, retryAfter: "0" }));
    const often = await run(["a"]);
    expect(often.failure).toMatchObject({ retryable: true, message: "The API answered 429 and asks to wait 0 s." });
  });

  it("gives up for good when the API refuses a contact, and not when the API has failed", async () => {
    answers = [{ status: 400 }];
    expect((await run(["a", "b"])).failure?.retryable).toBe(false);
    answers = [{ status: 500 }];
    expect((await run(["a"])).failure?.retryable).toBe(true);
    expect(arrived.length).toBe(2);
  });

  it("stops between two calls", async () => {
    expect((await run(["a"], AbortSignal.abort())).outcome).toBe("canceled");
    expect(arrived).toEqual([]);
  });
});
