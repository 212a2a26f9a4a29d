/** The document as others meet it: linters, client generators, readers, and the tables in docs/. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "@hey-api/openapi-ts";
import { afterAll, describe, expect, it } from "vitest";
import { UnauthenticatedError } from "../../../runtime/core/errors.ts";
import type { JobView } from "../../../runtime/core/http/views.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import type { ContractOperation, Operation } from "../../support/api/contract.ts";
import { startTestApi } from "../../support/api/test-api.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const ROOT = join(import.meta.dirname, "../../..");
const run = promisify(execFile);
const require = createRequire(import.meta.url);
/** Runs a tool of ours in a process of its own; rejects with what it printed when it fails. */
const node = (args: readonly string[]): Promise<string> =>
  run(process.execPath, args, {
    cwd: ROOT,
    env: { PATH: process.env["PATH"], REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
  }).then(
    ({ stdout, stderr }) => stdout + stderr,
    (error: unknown) => {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
      throw new Error(`${args.join(" ")}\n${stdout}${stderr}`, { cause: error });
    },
  );

const TOOL_TIMEOUT_MS = 180_000;

const api = await startTestApi(letterQueue().queue);
afterAll(() => api[Symbol.asyncDispose]());

describe("the document", () => {
  it("is found valid by the linter", { timeout: TOOL_TIMEOUT_MS }, async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, "openapi.json");
    const lint = () => node([require.resolve("@redocly/cli/bin/cli.js"), "lint", "--config", "redocly.yaml", file]);
    await writeFile(file, JSON.stringify(api.contract.document));
    expect(await lint()).toContain("Your API description is valid");

    // And the linter is one that finds something.
    await writeFile(file, JSON.stringify(api.contract.document).replace("#/components/schemas/Job", "#/nothing"));
    await expect(lint()).rejects.toThrow("no-unresolved-refs");
  });

  it("makes a client that compiles and submits a job", { timeout: TOOL_TIMEOUT_MS }, async () => {
    await using directory = await temporaryDirectory();
    const source = join(directory.path, "openapi.json");
    await writeFile(source, JSON.stringify(api.contract.document));
    await createClient({
      input: source,
      output: { path: join(directory.path, "src/jobyard"), module: { extension: ".js" } },
      logs: { level: "silent" },
    });
    const tenantName = freshTenant();
    await writeFile(join(directory.path, "package.json"), '{ "type": "module" }');
    await writeFile(join(directory.path, "src/main.ts"), CLIENT_PROGRAM);
    await writeFile(
      join(directory.path, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          target: "es2024",
          module: "nodenext",
          lib: ["es2024", "dom", "dom.iterable"],
          types: [],
          strict: true,
          skipLibCheck: true,
          rootDir: "src",
          outDir: "dist",
        },
        include: ["src"],
      }),
    );
    await node([require.resolve("typescript/bin/tsc"), "--project", directory.path]);
    const output = await node([join(directory.path, "dist/main.js"), api.url, tenantName]);

    const seen = JSON.parse(output) as { readonly job: JobView; readonly refused: unknown };
    expect(seen.job).toMatchObject({ tenantName, jobType: "Echo", state: "queued", parameters: { text: "hello" } });
    expect(seen.job).toEqual((await api.get(`/v1/jobs/${seen.job.jobId}`)).body);
    expect(seen.refused).toBe("JobNotFound");
  });

  it("the document answers 304 until it changes, and needs no token", async () => {
    const first = await fetch(`${api.url}/openapi.json`);
    expect(first.status).toBe(200);
    expect(first.headers.get("content-type")).toContain("application/json");
    expect(await first.json()).toMatchObject({ openapi: "3.1.1", info: { title: "Jobyard" } });
    const headers = { "if-none-match": first.headers.get("etag") ?? "", "cache-control": "no-cache-at-all" };
    expect((await fetch(`${api.url}/openapi.json`, { headers })).status).toBe(304);
  });

  it("the document says what each operation needs, and requires a token wherever the caller must be known", () => {
    for (const { operationId, security, ...operation } of api.contract.operations) {
      const needs = operation["x-needs"];
      expect(ACCESS, operationId).toContain(needs);
      expect(security, operationId).toEqual(needs === "anonymous" ? [] : [{ bearer: [] }]);
    }
  });

  it("agrees with the table of routes in docs/http-api.md", async () => {
    const text = await readFile(join(ROOT, "docs/http-api.md"), "utf8");
    const rows = [...text.matchAll(/^\| `([A-Z]+) (\/v1[^`]*)` +\| ([a-z-]+) /gm)];
    const documented = rows.map(([, method, path, needs]) => `${method!} ${path!}: ${needs!}`);
    const promised = api.contract.operations.map(
      ({ method, path, ...operation }) => `${method.toUpperCase()} ${path}: ${operation["x-needs"]}`,
    );
    expect(documented.toSorted()).toEqual(promised.toSorted());
  });
});

const ACCESS = ["anonymous", "signed-in", "read", "submit", "manage", "operate"];

/** What somebody writes who has generated a client. */
const CLIENT_PROGRAM = `
import { getJob, submitJob } from "./jobyard/index.js";
import { client } from "./jobyard/client.gen.js";

declare const process: { argv: string[]; stdout: { write(text: string): void } };
const [, , baseUrl = "", tenantName = ""] = process.argv;
client.setConfig({ baseUrl });

const { data: submitted } = await submitJob({
  throwOnError: true,
  body: {
    tenantName,
    jobType: "Echo",
    jobName: "From a generated client",
    jobProcessorPackageName: "echo.zip",
 publishLater: true,
    parameters: { text: "hello" },
    priority: "high",
  },
});
const { data: job } = await getJob({ throwOnError: true, path: { jobId: submitted.jobId } });
const { error } = await getJob({ path: { jobId: "none" } });
process.stdout.write(JSON.stringify({ job, refused: error?.error.code }));
`;

const [ERROR] = api.contract.document.components.schemas["Error"]!["examples"] as readonly unknown[];

describe("the examples of the document", () => {
  it("are there for every parameter that must be given, every body and every answer in text, and fit their schemas", () => {
    const problems: string[] = [];
    const judge = (what: string, example: unknown, ...place: readonly string[]): void => {
      if (example === undefined) problems.push(`${what} has no example`);
      else problems.push(...api.contract.problemsOf(example, place).map((problem) => `${what}: ${problem}`));
    };
    const judgeAll = (
      what: string,
      content: ContractOperation["responses"][string]["content"],
      ...at: string[]
    ): void => {
      for (const [type, { schema, example }] of Object.entries(content ?? {})) {
        const { $ref } = schema as { readonly $ref?: string };
        // Each named schema is compiled once: that takes longest.
        const place = $ref?.slice("#/".length).split("/") ?? [...at, "content", type, "schema"];
        if (schema["format"] !== "binary") judge(`${what} ${type}`, example, ...place);
      }
    };
    for (const { operationId, method, path, parameters = [], requestBody, responses } of api.contract.operations) {
      parameters.forEach(({ name, required, example }, index) => {
        if (required === true || example !== undefined)
          judge(`${operationId} ${name}`, example, "paths", path, method, "parameters", String(index), "schema");
      });
      judgeAll(operationId, requestBody?.content, "paths", path, method, "requestBody");
      // Errors share one schema, and its example.
      const ofErrors = Object.entries(responses).filter(([status]) => status >= "400");
      expect(ofErrors.map(([, { content }]) => content?.["application/json"]?.example)).toEqual(
        ofErrors.map(() => ERROR),
      );
      for (const [status, { content }] of Object.entries(responses).filter(([code]) => code < "400"))
        judgeAll(`${operationId} ${status}`, content, "paths", path, method, "responses", status);
    }
    judge("an error", ERROR, "components", "schemas", "Error");
    expect(problems).toEqual([]);
  });

  it("are requests that the API understands", async () => {
    for (const operation of api.contract.operations) {
      for (const { type, init, path } of exampleRequests(operation)) {
        const gone = new AbortController();
        const answer = await fetch(api.url + path, { ...init, signal: gone.signal });
        // A stream of events would go on.
        const text = answer.ok ? "" : await answer.text();
        gone.abort();
        expect([400, 405, 413, 415], `${operation.operationId} ${type}: ${text}`).not.toContain(answer.status);
        expect(text, operation.operationId).not.toContain("RouteNotFound");
      }
    }
  });
});

/** One for each media type that has an example; one without a body where there is none. */
function exampleRequests({ method, path, parameters = [], requestBody }: Operation) {
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  let filled = path;
  for (const { in: place, name, example } of parameters) {
    if (example === undefined) continue;
    if (place === "query") query.set(name, String(example));
    else if (place === "header") headers[name] = String(example);
    else filled = filled.replace(`{${name}}`, encodeURIComponent(String(example)).replaceAll("%2F", "/"));
  }
  const address = query.size === 0 ? filled : `${filled}?${query.toString()}`;
  const send = { method: method.toUpperCase(), headers };
  if (requestBody === undefined) return [{ type: "", path: address, init: send }];
  return Object.entries(requestBody.content).flatMap(([type, { example }]) =>
    example === undefined
      ? []
      : [
          {
            ...{ type, path: address },
            init: { ...send, headers: { ...headers, "content-type": type }, body: JSON.stringify(example) },
          },
        ],
  );
}

describe("the front page", () => {
  it("the front page links to the documents and health without a token, and says nothing else", async () => {
    const answer = await fetch(`${api.url}/`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toMatch(/^text\/html/);
    expect(answer.headers.get("content-security-policy")).toMatch(/^default-src 'none'; img-src data:;/);
    const page = await answer.text();
    expect(page).not.toMatch(/<script|style=|https?:|\d\.\d/);
    const links = [...page.matchAll(/href="([^"]+)"/g)].map(([, link = ""]) => link);
    expect(links).toEqual(["/openapi.json", "/healthz", "/readyz"]);
    for (const link of links) expect((await fetch(`${api.url}${link}`)).status, link).toBe(200);
    const docs = await fetch(`${api.url}/docs`, { redirect: "manual" });
    expect([docs.status, docs.headers.get("location")]).toEqual([302, "/openapi.json"]);
  });
});

describe("routes outside the document", () => {
  it.each([
    ["PUT", "/v1/jobs", "POST"],
    ["DELETE", "/v1/jobs/some-job", "GET, HEAD"],
    ["PATCH", "/v1/batches", "POST, GET, HEAD"],
    ["OPTIONS", "/v1/dead-letters", "GET, HEAD"],
  ])("%s %s is answered 405 with what is allowed", async (method, path, allow) => {
    const answer = await fetch(`${api.url}${path}`, { method });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, allow]);
    expect(await answer.json()).toMatchObject({ error: { code: "MethodNotAllowed" } });
  });

  it("is refused to strangers before it is known to be missing", async () => {
    await using closed = await startTestApi(letterQueue().queue, {
      identify: (needs) => (_request, _response, next) => next(new UnauthenticatedError(`This is for ${needs}.`)),
    });
    for (const path of ["/v1", "/v1/nothing", "/v1/jobs/x/y/z"]) {
      expect(await closed.get(path)).toMatchObject({
        status: 401,
        body: { error: { code: "Unauthenticated", message: "This is for signed-in." } },
      });
    }
    expect((await closed.get("/nothing")).status).toBe(404);
    expect((await closed.get("/healthz")).status).toBe(200);
  });
});
