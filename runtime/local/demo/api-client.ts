/** The few calls the demo makes, over HTTP like everybody else's. */
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as wait } from "node:timers/promises";
import type { Artifact } from "../../core/ports/job-files.ts";
import type { Page } from "../../core/ports/stored.ts";
import { PAGE_SIZE_MAX } from "../../core/limits.ts";
import type { CreateBatchBody, JobRequestBody } from "../../core/requests.ts";
import type { BatchView, JobView } from "../../core/views.ts";
import type { Authorize } from "../identity/token-client.ts";

export interface ApiClient {
  /** Nothing changes when it is the current version already. */
  publish(tenantName: string, packageName: string, zip: Uint8Array): Promise<void>;
  createBatch(body: CreateBatchBody): Promise<BatchView>;
  /** All ids, or an error: the demo's jobs are right. */
  submit(batchId: string, jobs: readonly JobRequestBody[]): Promise<readonly string[]>;
  batch(batchId: string): Promise<BatchView>;
  batches(tenantName: string): Promise<readonly BatchView[]>;
  jobs(batchId: string): Promise<readonly JobView[]>;
  artifacts(jobId: string): Promise<readonly Artifact[]>;
  download(jobId: string, path: string, localFile: string): Promise<void>;
}

/** The API may be starting again; then what may be repeated is, for this long. */
const RETRY_FOR_MS = 30_000;
const RETRY_PAUSE_MS = 200;

export function createApiClient(baseUrl: string, authorize: Authorize): ApiClient {
  async function request(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("authorization", await authorize());
    const response = await fetch(`${baseUrl}/v1${path}`, { ...init, headers });
    if (!response.ok)
      throw new Error(`${init.method ?? "GET"} ${path} answered ${response.status}: ${await response.text()}`);
    return response;
  }

  async function repeat(path: string, init?: RequestInit): Promise<Response> {
    const until = performance.now() + RETRY_FOR_MS;
    for (;;) {
      try {
        return await request(path, init);
      } catch (error) {
        if (performance.now() > until) throw error;
        await wait(RETRY_PAUSE_MS);
      }
    }
  }

  const get = (path: string): Promise<Response> => repeat(path);

  const json = async <T>(response: Promise<Response>): Promise<T> => (await (await response).json()) as T;

  const post = (path: string, body: unknown): Promise<Response> =>
    request(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

  return {
    async publish(tenantName, packageName, zip) {
      const headers = { "content-type": "application/zip" };
      await repeat(`/tenants/${tenantName}/packages/${packageName}`, {
        method: "PUT",
        headers,
        body: Buffer.from(zip),
      });
    },
    createBatch: (body) => json(post("/batches", body)),
    async submit(batchId, jobs) {
      const { results } = await json<{ results: { jobId?: string; error?: { message: string } }[] }>(
        post("/jobs/bulk", { batchId, jobs }),
      );
      return results.map(({ jobId, error }) => {
        if (jobId === undefined) throw new Error(error?.message ?? "A job was not accepted.");
        return jobId;
      });
    },
    batch: (batchId) => json(get(`/batches/${batchId}`)),
    async batches(tenantName) {
      const { items } = await json<Page<BatchView>>(get(`/batches?tenantName=${tenantName}`));
      return items;
    },
    async jobs(batchId) {
      const found: JobView[] = [];
      let token: string | undefined;
      do {
        const query = new URLSearchParams({
          pageSize: String(PAGE_SIZE_MAX),
          ...(token && { continuationToken: token }),
        });
        const page = await json<Page<JobView>>(get(`/batches/${batchId}/jobs?${query.toString()}`));
        found.push(...page.items);
        token = page.continuationToken;
      } while (token !== undefined);
      return found;
    },
    async artifacts(jobId) {
      const { items } = await json<{ items: Artifact[] }>(get(`/jobs/${jobId}/artifacts`));
      return items;
    },
    async download(jobId, path, localFile) {
      const response = await get(`/jobs/${jobId}/artifacts/${path.split("/").map(encodeURIComponent).join("/")}`);
      if (response.body === null) throw new Error(`Artifact ${path} has no body.`);
      await mkdir(dirname(localFile), { recursive: true });
      await pipeline(Readable.fromWeb(response.body), createWriteStream(localFile));
    },
  };
}
