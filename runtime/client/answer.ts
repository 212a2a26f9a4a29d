/** What an answer of the service means: a value, or an error with the service's own code. */
import type { ErrorDetail } from "../core/errors.ts";
import { JobServiceError } from "./errors.ts";
import { networkFailed } from "./network-failure.ts";

/** The body of an answer that is an error, as far as it is what it should be. */
interface ErrorBody {
  readonly error?: {
    readonly code?: string;
    readonly message?: string;
    readonly target?: string;
    readonly details?: readonly ErrorDetail[];
    readonly requestId?: string;
  };
}

/** Asked too often; a service behind us, a gateway before us, or we ourselves are away. */
const TRY_LATER: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Reads the body. Throws NetworkFailed when half of it is missing. */
export async function errorOf(response: Response): Promise<JobServiceError> {
  const { status } = response;
  const text = await wholeText(response);
  const { error } = parseErrorBody(text);
  const retryAfter = response.headers.get("retry-after");
  const facts = {
    status,
    requestId: error?.requestId ?? response.headers.get("x-request-id") ?? undefined,
    target: error?.target,
    details: error?.details,
    retryable: TRY_LATER.has(status),
    retryAfterMs: retryAfter === null ? undefined : retryAfterMs(retryAfter, Date.now()),
  };
  return error?.code === undefined
    ? new JobServiceError("AnswerInvalid", `The service answered ${status} without saying why.`, facts)
    : new JobServiceError(error.code, error.message ?? `The service answered ${status}.`, facts);
}

/** Throws NetworkFailed when half of it is missing, AnswerInvalid when it is no JSON. */
export async function jsonOf(response: Response): Promise<unknown> {
  const text = await wholeText(response);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { status } = response;
    throw new JobServiceError("AnswerInvalid", `The answer with status ${status} is not JSON.`, { status, cause });
  }
}

export async function wholeText(response: Response): Promise<string> {
  try {
    return await response.text();
  } catch (cause) {
    throw networkFailed(cause, response);
  }
}

function parseErrorBody(text: string): ErrorBody {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? body : {};
  } catch {
    // A gateway's page.
    return {};
  }
}

/** Seconds, or a date. */
function retryAfterMs(header: string, now: number): number | undefined {
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
