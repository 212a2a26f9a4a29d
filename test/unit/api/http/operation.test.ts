/** What an operation gets from being declared: its route, its checks, its answers and its part of the document. */
import { silentLog, silentMetrics, silentUnreadable } from "../../../support/silent.ts";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import express from "express";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { identifyAs, LOCAL_CALLER, type Identify } from "../../../../runtime/api/auth/caller.ts";
import { createAudited } from "../../../../runtime/api/http/audited.ts";
import { answerErrors, noSuchRoute } from "../../../../runtime/api/http/error-response.ts";
import { mount } from "../../../../runtime/api/http/mount.ts";
import { openApiDocument } from "../../../../runtime/api/http/openapi.ts";
import { operation, type Operation } from "../../../../runtime/api/http/operation.ts";
import { jsonBody, streamBody } from "../../../../runtime/api/http/read-request.ts";
import { createMemoryAudit } from "../../../support/stores/memory-audit.ts";

const seenSchema = z.object({ seen: z.unknown() });
const answered = { 200: { description: "What came.", schema: seenSchema } };
const described = { tag: "Jobs", summary: "Say what came", errors: [] } as const;

const byName = operation({
  ...described,
  id: "byName",
  method: "get",
  path: "/v1/things/{name}",
  needs: "read",
  params: z.object({ name: z.string() }),
  query: z.strictObject({ size: z.coerce.number().int().min(1).default(5) }),
  headers: z.object({ "idempotency-key": z.string().max(8).optional() }),
  responses: answered,
  handle: ({ caller, params, query, headers }) => ({
    status: 200,
    body: { seen: { caller: caller.name, ...params, ...query, ...headers } },
  }),
});

const fixedWord = operation({
  ...described,
  id: "fixedWord",
  method: "get",
  path: "/v1/things/all",
  needs: "anonymous",
  responses: answered,
  handle: () => ({ status: 200, body: { seen: "all" } }),
});

const theRest = operation({
  ...described,
  id: "theRest",
  method: "get",
  path: "/v1/things/{name}/files/{+path}",
  needs: "read",
  params: z.object({ name: z.string(), path: z.string() }),
  responses: answered,
  handle: ({ params }) => ({ status: 200, body: { seen: params } }),
});

const upload = operation({
  ...described,
  id: "upload",
  method: "put",
  path: "/v1/things/{name}",
  needs: "manage",
  params: z.object({ name: z.string() }),
  body: streamBody({ mediaType: "application/zip", description: "A ZIP.", maxBytes: 10 }),
  responses: { 201: { description: "Stored.", headers: { Location: "Its address." } } },
  async handle({ params, body }) {
    let bytes = 0;
    for await (const chunk of body) bytes += chunk.byteLength;
    return { status: 201, headers: { Location: `/v1/things/${params.name}/${bytes}` } };
  },
});

const command = operation({
  ...described,
  id: "command",
  method: "post",
  path: "/v1/things",
  needs: "submit",
  body: jsonBody(z.strictObject({ loud: z.boolean().default(false) }), { required: false }),
  responses: answered,
  handle: ({ body }) => ({ status: 200, body: { seen: body } }),
});

const OPERATIONS: readonly Operation[] = [byName, theRest, fixedWord, upload, command];

async function serve({ identify = identifyAs(LOCAL_CALLER) }: { readonly identify?: Identify } = {}) {
  const app = express();
  const audited = createAudited({
    ...{ audit: createMemoryAudit(), metrics: silentMetrics, log: silentLog },
    ...{ now: () => new Date(), newEntryId: randomUUID },
  });
  mount(app, OPERATIONS, { audited, limit: (_request, _response, next) => next(), identify, log: silentLog });
  app.use(noSuchRoute, answerErrors(silentLog, silentUnreadable));
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  return {
    async ask(path: string, init?: RequestInit) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
      const text = await response.text();
      const body = (text === "" ? {} : JSON.parse(text)) as {
        seen?: unknown;
        error?: { code: string; target?: string };
      };
      return { status: response.status, headers: response.headers, body };
    },
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

describe("a declared operation", () => {
  it("is handed every part of a request as its schemas made it", async () => {
    await using api = await serve();
    const { body } = await api.ask("/v1/things/a%20b?size=7", { headers: { "Idempotency-Key": "k", other: "x" } });
    expect(body.seen).toEqual({ caller: "local", name: "a b", size: 7, "idempotency-key": "k" });
    expect((await api.ask("/v1/things/a")).body.seen).toEqual({ caller: "local", name: "a", size: 5 });
  });

  it.each([
    ["/v1/things/a?size=0", {}, "size"],
    ["/v1/things/a?size=1&size=2", {}, "size"],
    ["/v1/things/a?other=1", {}, "body"],
    ["/v1/things/a", { "idempotency-key": "far too long" }, "idempotency-key"],
  ])("refuses %s with headers %j by the name of what is wrong", async (path, headers, target) => {
    await using api = await serve();
    const { status, body } = await api.ask(path, { headers });
    expect({ status, error: body.error }).toMatchObject({ status: 400, error: { code: "InvalidRequest", target } });
  });

  it("with a fixed word goes before one with a name, in whatever order they are listed", async () => {
    await using api = await serve();
    expect((await api.ask("/v1/things/all")).body.seen).toBe("all");
  });

  it("takes the rest of a path with its slashes", async () => {
    await using api = await serve();
    const { body } = await api.ask("/v1/things/a/files/x/y%20z/%2e.txt");
    expect(body.seen).toEqual({ name: "a", path: "x/y z/..txt" });
  });

  it("runs with defaults when an optional body is not sent", async () => {
    await using api = await serve();
    expect((await api.ask("/v1/things", { method: "POST" })).body.seen).toEqual({ loud: false });
  });

  it("reads a stream as it comes, up to its limit, announced or not", async () => {
    await using api = await serve();
    const headers = { "content-type": "application/zip" };
    const put = (body: string | ReadableStream) =>
      api.ask("/v1/things/a", { method: "PUT", headers, body, duplex: "half" });
    const streamed = (text: string) => new Blob([text]).stream();
    expect((await put("1234567890")).headers.get("location")).toBe("/v1/things/a/10");
    expect((await put(streamed("12345"))).headers.get("location")).toBe("/v1/things/a/5");
    for (const body of ["12345678901", streamed("12345678901")]) {
      expect(await put(body)).toMatchObject({ status: 413, body: { error: { code: "PayloadTooLarge" } } });
    }
    expect(await api.ask("/v1/things/a", { method: "PUT", body: "x" })).toMatchObject({ status: 415 });
  });

  it("an operation finds its caller before it reads a body", async () => {
    const asked: string[] = [];
    await using api = await serve({
      identify: (needs) => (_request, _response, next) => {
        asked.push(needs);
        next(needs === "anonymous" ? undefined : new TypeError("nobody"));
      },
    });
    const invalid = { method: "POST", headers: { "content-type": "application/json" }, body: "{" };
    expect((await api.ask("/v1/things", invalid)).status).toBe(500);
    expect((await api.ask("/v1/nothing")).status).toBe(500);
    expect((await api.ask("/v1/things/all")).status).toBe(200);
    expect(asked).toEqual(["submit", "signed-in", "anonymous"]);
  });
});

describe("its part of the document", () => {
  const document = openApiDocument(OPERATIONS) as unknown as {
    readonly paths: Record<string, Record<string, DocumentOperation>>;
  };
  interface DocumentOperation {
    readonly security: unknown;
    readonly responses: Record<string, { readonly description: string }>;
    readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required?: boolean }[];
    readonly requestBody?: { readonly required: boolean; readonly content: Record<string, unknown> };
  }
  const statusesOf = (path: string, method: string) => Object.keys(document.paths[path]?.[method]?.responses ?? {});

  it("lists the errors that follow from what it needs and takes", () => {
    expect(statusesOf("/v1/things/all", "get")).toEqual(["200", "304", "429", "500"]);
    expect(statusesOf("/v1/things/{name}", "get")).toEqual(["200", "304", "400", "401", "403", "429", "500", "503"]);
    expect(statusesOf("/v1/things", "post")).toEqual(["200", "400", "401", "403", "413", "415", "429", "500", "503"]);
    expect(document.paths["/v1/things/all"]?.["get"]?.security).toEqual([]);
  });

  it("lists its parameters and the media types it takes", () => {
    expect(
      document.paths["/v1/things/{name}"]?.["get"]?.parameters?.map(({ in: where, name }) => [where, name]),
    ).toEqual([
      ["path", "name"],
      ["query", "size"],
      ["header", "idempotency-key"],
    ]);
    expect(Object.keys(document.paths["/v1/things/{name}"]?.["put"]?.requestBody?.content ?? {})).toEqual([
      "application/zip",
    ]);
    expect(document.paths).toHaveProperty(["/v1/things/{name}/files/{path}"]);
  });
});
