import { mkdir, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readWebFiles, webPolicy } from "../../../runtime/api/http/web-pages.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { startTestApi, type TestApi } from "../../support/api/test-api.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";

const PAGE = '<!doctype html><title>Jobyard</title><script type="module" src="/assets/main-1a2b.js"></script>';
const SCRIPT = "console.log(1);".repeat(200);
const HTML = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

let directory: TemporaryDirectory;
let api: TestApi;
beforeAll(async () => {
  directory = await temporaryDirectory();
  await mkdir(join(directory.path, "assets"));
  await writeFile(join(directory.path, "index.html"), PAGE);
  const script = join(directory.path, "assets/main-1a2b.js");
  await writeFile(script, SCRIPT);
  await writeFile(`${script}.br`, brotliCompressSync(SCRIPT));
  await writeFile(`${script}.gz`, gzipSync(SCRIPT));
  api = await startTestApi(letterQueue().queue, { web: await readWebFiles(directory.path) });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

interface RawAnswer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly size: number;
}

/** As sent: `fetch` decompresses, and forbids an answer from a cache. */
function raw(path: string, headers: Record<string, string>): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    request(api.url + path, { headers }, (response) => {
      let size = 0;
      response.on("data", (chunk: Buffer) => (size += chunk.length));
      response.once("end", () => resolve({ status: response.statusCode, headers: response.headers, size }));
    })
      .once("error", reject)
      .end();
  });
}

describe("the dashboard's pages", () => {
  it.each(["/", "/jobs/demo.zybq.00.01m8", "/batches?state=failed", "/docs?op=getJob", "/anything/at/all"])(
    "%s is the one page for a browser, with a strict policy, never kept without asking",
    async (path) => {
      const answer = await fetch(api.url + path, { headers: HTML });
      expect(answer.status).toBe(200);
      expect(await answer.text()).toBe(PAGE);
      expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(answer.headers.get("cache-control")).toBe("no-cache");
      const policy = answer.headers.get("content-security-policy");
      expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; /);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|\*|https?:/);
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
      expect(answer.headers.getSetCookie()).toEqual([]);
    },
  );

  it("answers 304 to who has the page already", async () => {
    const etag = (await fetch(`${api.url}/`, { headers: HTML })).headers.get("etag")!;
    expect(await raw("/", { ...HTML, "if-none-match": etag })).toMatchObject({ status: 304, size: 0 });
  });

  it("files with their hash in their name are kept for ever", async () => {
    const answer = await fetch(`${api.url}/assets/main-1a2b.js`);
    expect(await answer.text()).toBe(SCRIPT);
    expect(answer.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  });

  it.each([
    ["br, gzip", "br"],
    ["gzip", "gzip"],
    ["br;q=0, gzip", "gzip"],
    ["identity", undefined],
  ])("a client that accepts %s gets %s", async (accepted, encoding) => {
    const { headers, size } = await raw("/assets/main-1a2b.js", { "accept-encoding": accepted });
    expect(headers["content-encoding"]).toBe(encoding);
    expect(headers.vary).toContain("Accept-Encoding");
    if (encoding === undefined) expect(size).toBe(SCRIPT.length);
    else expect(size).toBeLessThan(SCRIPT.length / 10);
  });

  it.each([
    ["/assets/gone-0000.js", HTML],
    ["/assets/../index.html/..%2f..%2fetc%2fpasswd", {}],
    ["/v2/jobs", { accept: "application/json" }],
  ])("%s is not the page", async (path, headers) => {
    const answer = await fetch(api.url + path, { headers });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { code: "RouteNotFound" } });
  });

  it("leaves the API's own addresses to the API, also for a browser", async () => {
    const status = async (path: string, method = "GET"): Promise<number> =>
      (await fetch(api.url + path, { headers: HTML, method })).status;
    expect(await status("/v1/jobs/nothing")).toBe(404);
    expect(await status("/healthz")).toBe(200);
    expect(await status("/jobs", "POST")).toBe(404);
    const document = await fetch(`${api.url}/openapi.json`, { headers: HTML });
    expect(await document.text()).not.toBe(PAGE);
  });

  it("the policy allows calls to the issuer alone, and to its address for pages where it has one", () => {
    const entra = {
      ...({ kind: "entra", authority: "https://login.microsoftonline.com", tenantId: "t", clientId: "c" } as const),
      ...{ audience: "a", userScope: "u", applicationScope: "s" },
    };
    expect(webPolicy(entra)).toContain("connect-src 'self' https://login.microsoftonline.com;");
    const local = { ...entra, pageAuthority: "http://127.0.0.1:9" };
    expect(webPolicy(local)).toContain("connect-src 'self' http://127.0.0.1:9;");
  });

  it("there is no dashboard where no pages are built", async () => {
    expect(await readWebFiles(join(directory.path, "nothing"))).toBeUndefined();
    expect(await readWebFiles(join(directory.path, "assets"))).toBeUndefined();
  });
});
