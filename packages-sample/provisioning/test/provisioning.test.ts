/** The job against a small Blob service on this machine, with every way to be cut off and repeated. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openBlobStorage } from "../src/blob-storage.ts";
import { type Entry, provision } from "../src/provision-workspace.ts";

const JOB = "demo.b1.00.j1";

let server: Server;
let url: string;
let blobs: Map<string, { readonly body: string; readonly etag: string }>;
let containers: Set<string>;
/** Those that arrived, as `PUT registry/acme.json`. */
let requests: string[];
/** Throws in place of the token for this request, from 0: as a worker that dies before it. */
let diesBefore: number;
/** As one that dies after it, before the answer arrives. */
let diesAfter: number;
/** Called after each request, before its answer. */
let onRequest: (count: number) => void;

function reset(): void {
  blobs = new Map();
  containers = new Set();
  requests = [];
  [diesBefore, diesAfter] = [Infinity, Infinity];
  onRequest = () => undefined;
}

beforeEach(async () => {
  reset();
  server = createServer((request, response) => {
    void text(request).then((body) => {
      const answer = answerTo(request.method ?? "", request.url ?? "", request.headers, body);
      const count = requests.push(`${request.method ?? ""} ${(request.url ?? "").slice(1)}`);
      onRequest(count);
      if (count > diesAfter) response.destroy();
      else response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

const refused = (status: number, code: string): Answer => ({ status, headers: { "x-ms-error-code": code } });

/** What the Blob service answers: https://learn.microsoft.com/rest/api/storageservices/put-blob */
function answerTo(
  method: string,
  path: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: string,
): Answer {
  if (headers["authorization"] !== "Bearer for-storage") return refused(401, "InvalidAuthenticationInfo");
  const name = path.slice(1).replace("?restype=container", "");
  if (path.endsWith("?restype=container")) {
    if (containers.has(name)) return refused(409, "ContainerAlreadyExists");
    containers.add(name);
    return { status: 201 };
  }
  const blob = blobs.get(name);
  if (method === "GET") {
    return blob === undefined
      ? refused(404, "BlobNotFound")
      : { status: 200, headers: { etag: blob.etag }, body: blob.body };
  }
  if (headers["x-ms-blob-type"] !== "BlockBlob") return refused(400, "MissingRequiredHeader");
  if (headers["if-none-match"] === "*" && blob !== undefined) return refused(409, "BlobAlreadyExists");
  if (headers["if-match"] !== undefined && headers["if-match"] !== blob?.etag) return refused(412, "ConditionNotMet");
  const etag = `"${requests.length}"`;
  blobs.set(name, { body, etag });
  return { status: 201, headers: { etag } };
}

/** One try of a job. */
function run(jobId = JOB, customer = "acme"): Promise<Entry> {
  const getToken = (scope: string) => {
    if (requests.length >= diesBefore) throw new Error("The worker died.");
    return Promise.resolve(scope === "https://storage.azure.com/.default" ? { token: "for-storage" } : null);
  };
  const storage = openBlobStorage(url, { getToken }, AbortSignal.timeout(30_000));
  return provision({ jobId, customer }, { storage, progress: () => undefined, log: () => undefined });
}

const entryOf = (customer: string) =>
  JSON.parse(blobs.get(`registry/${customer}.json`)?.body ?? "null") as Entry | null;

describe("ProvisionWorkspace", () => {
  it("registers the customer, creates a container and confirms it, in this order", async () => {
    const ready = await run();
    expect(ready).toEqual({
      jobId: JOB,
      container: expect.stringMatching(/^workspace-[0-9a-f]{20}$/) as string,
      state: "ready",
    });
    expect([...containers]).toEqual([ready.container]);
    expect(entryOf("acme")).toEqual(ready);
    expect(requests).toEqual([
      "PUT registry/acme.json",
      `PUT ${ready.container}?restype=container`,
      "PUT registry/acme.json",
    ]);
  });

  it.each([0, 1, 2, 3])("comes to the same end when the worker dies before or after request %d", async (request) => {
    for (const die of [() => (diesBefore = request), () => (diesAfter = request)]) {
      reset();
      die();
      // Without its last answer a run of three requests has ended.
      if (request < 3) await expect(run()).rejects.toThrow();
      else await run();
      [diesBefore, diesAfter] = [Infinity, Infinity];
      const ready = await run();
      expect([[...containers], entryOf("acme")]).toEqual([[ready.container], ready]);
    }
  });

  it("creates one workspace when the job runs twice at the same moment", async () => {
    const [one, other] = await Promise.all([run(), run()]);
    expect(one).toEqual(other);
    expect([...containers]).toEqual([one.container]);
    expect(entryOf("acme")).toEqual(one);
  });

  it("refuses a customer that another job has provisioned, and creates nothing", async () => {
    const { container } = await run();
    await expect(run("demo.b1.00.j2")).rejects.toThrow("acme has a workspace already. Job demo.b1.00.j1 made it.");
    expect([...containers]).toEqual([container]);
    expect((await run("demo.b1.00.j2", "umbrella")).container).not.toBe(container);
  });

  it("fails when the entry was changed by something else meanwhile", async () => {
    const changed = { jobId: "by hand", container: "x", state: "ready" };
    onRequest = (count) => {
      if (count === 1) blobs.set("registry/acme.json", { body: JSON.stringify(changed), etag: '"by hand"' });
    };
    await expect(run()).rejects.toThrow("The entry of acme was changed by something else.");
    expect(entryOf("acme")).toEqual(changed);
  });
});
