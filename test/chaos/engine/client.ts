/** A patient caller of the API: it repeats requests without an answer, which may then have been carried out twice. */
import { setTimeout as pause } from "node:timers/promises";
import type { JobRequestBody } from "../../../runtime/core/http/requests.ts";
import type { BatchView } from "../../../runtime/core/http/views.ts";
import type { Authorize } from "../../../runtime/local/identity/issuer-client.ts";

/** An answer of the API, except a failure of its own. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface SubmitOutcome {
  /** Ids of the accepted jobs. */
  readonly accepted: readonly string[];
  /** The state of the batch after it was closed. */
  readonly refused: readonly JobRequestBody[];
}

export interface ChaosClient {
  createBatch(tenantName: string, batchName: string): Promise<string>;
  submit(batchId: string, jobs: readonly JobRequestBody[]): Promise<SubmitOutcome>;
  /** A POST. Calls `onTry` before each request. */
  command(path: string, body: unknown, onTry?: () => void): Promise<Answer>;
  request(method: string, path: string, body?: unknown): Promise<Answer>;
}

/** A link may fail for as long as a stack takes to notice, and again right after. */
const PATIENCE_MS = 180_000;
const PAUSE_MS = 250;
/** A paused API answers late. Its caller waits no longer than this. */
const ANSWER_WITHIN_MS = 10_000;
const CONFLICT = 409;

export function createChaosClient(apiUrl: string, authorize: Authorize): ChaosClient {
  async function send(method: string, path: string, body: unknown): Promise<Answer> {
    const isFile = body instanceof Uint8Array;
    const contentType = { "content-type": isFile ? "application/zip" : "application/json" };
    const response = await fetch(`${apiUrl}/v1${path}`, {
      method,
      headers: { ...(body !== undefined && contentType), authorization: await authorize() },
      body: body === undefined ? null : isFile ? Uint8Array.from(body) : JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const text = await response.text();
    if (response.status >= 500) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  }

  async function patiently(method: string, path: string, body: unknown, onTry: () => void): Promise<Answer> {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        onTry();
        return await send(method, path, body);
      } catch (error) {
        if (performance.now() > until) throw error;
        await pause(PAUSE_MS);
      }
    }
  }

  const command: ChaosClient["command"] = (path, body, onTry = () => undefined) => patiently("POST", path, body, onTry);

  return {
    command,
    request: (method, path, body) => patiently(method, path, body, () => undefined),
    async createBatch(tenantName, batchName) {
      const { body } = expected(await command("/batches", { tenantName, batchName }));
      return (body as BatchView).batchId;
    },
    async submit(batchId, jobs) {
      const accepted: string[] = [];
      let rest = jobs;
      while (rest.length > 0) {
        const answer = await command("/jobs/bulk", { batchId, jobs: rest });
        if (answer.status === CONFLICT) return { accepted, refused: rest };
        const { results } = expected(answer).body as { results: readonly { readonly jobId?: string }[] };
        accepted.push(...results.flatMap(({ jobId }) => (jobId === undefined ? [] : [jobId])));
        rest = rest.filter((_, index) => results[index]?.jobId === undefined);
        if (rest.length > 0) await pause(PAUSE_MS);
      }
      return { accepted, refused: [] };
    },
  };
}

/** Throws for an answer that the API should not give. */
export function expected(answer: Answer, also?: number): Answer {
  if (answer.status < 300 || answer.status === also) return answer;
  throw new Error(`The API answered ${answer.status}: ${JSON.stringify(answer.body)}`);
}
