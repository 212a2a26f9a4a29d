/**
 * The credential of a job: each request for a token goes to the worker through the job's pipe. It has the shape of the
 * TokenCredential of Azure's SDK. It keeps nothing: the SDK's clients keep their tokens.
 */
import type { JobCredential } from "../../../job-sdk/index.ts";
import type { TokenAnswer } from "../../identity/token-broker.ts";
import type { TokenReport } from "./messages.ts";

export interface WorkerCredential {
  readonly credential: JobCredential;
  answer(request: number, answer: TokenAnswer): void;
}

/** Numbers requests of all jobs in this process, so that no answer reaches another request. */
let lastRequest = 0;

export function createWorkerCredential(report: (report: TokenReport) => void): WorkerCredential {
  const waiting = new Map<number, (answer: TokenAnswer) => void>();

  return {
    answer(request, answer) {
      waiting.get(request)?.(answer);
      waiting.delete(request);
    },
    credential: {
      async getToken(scopes, options) {
        if (options?.abortSignal?.aborted === true) throw new Error("No token: the request was aborted.");
        const request = ++lastRequest;
        const answered = new Promise<TokenAnswer>((resolve) => waiting.set(request, resolve));
        report({ type: "token", request, scopes: typeof scopes === "string" ? [scopes] : [...scopes] });
        const answer = await answered;
        if ("refused" in answer) throw new Error(`No token: ${answer.refused}`);
        return answer.issued;
      },
    },
  };
}
