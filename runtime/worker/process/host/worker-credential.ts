/**
 * The credential of a job: each request for a token goes to the worker through the job's pipe. It has the shape of the
 * TokenCredential of Azure's SDK. It keeps nothing: the SDK's clients keep their tokens.
 */
import type { JobCredential } from "../../../job-sdk/index.ts";
import type { TokenAnswer } from "../../identity/token-broker.ts";
import { type TokenReport, TOKEN_SCOPE_MAX_LENGTH, TOKEN_SCOPES_MAX_COUNT } from "./messages.ts";

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
        const asked = typeof scopes === "string" ? [scopes] : [...scopes];
        if (!isSendable(asked)) throw new TypeError("No token: a token is for exactly one scope, which is a text.");
        const request = ++lastRequest;
        const answered = new Promise<TokenAnswer>((resolve) => waiting.set(request, resolve));
        report({ type: "token", request, scopes: asked });
        const answer = await answered;
        if ("refused" in answer) throw new Error(`No token: ${answer.refused}`);
        return answer.issued;
      },
    },
  };
}

/** What the worker does not take as a report would end this process. It decides about the rest. */
const isSendable = (scopes: readonly unknown[]): boolean =>
  scopes.length <= TOKEN_SCOPES_MAX_COUNT &&
  scopes.every((scope) => typeof scope === "string" && scope.length <= TOKEN_SCOPE_MAX_LENGTH);
