/**
 * The part of Azure Resource Manager that changes an instance's protection, with the faults it is known for. It remembers
 * whether the instance is protected and when that changed.
 */
import { setTimeout as wait } from "node:timers/promises";
import { startLoopbackServer, type LoopbackAnswer, type LoopbackRequest } from "../network/loopback-server.ts";

/** How one PUT is answered. */
export type ArmAnswer =
  | "silence"
  /** Refused; nothing changes. */
  | { readonly status: number; readonly code?: string; readonly message?: string; readonly retryAfterSeconds?: number }
  /** Done after this time. */
  | { readonly afterMs: number }
  /** Accepted, and carried out when its progress was asked for often enough. */
  | {
      readonly accepted: 200 | 201 | 202;
      readonly by: "operation" | "location";
      readonly polls: number;
      readonly fails?: string;
    };

export const INSTANCE_GONE: ArmAnswer = {
  status: 400,
  code: "InvalidParameter",
  message: "The provided instanceId 4 is not an active Virtual Machine Scale Set VM instanceId.",
};

export interface ArmPut {
  /** By `Date.now()`, when it arrived. */
  readonly at: number;
  readonly protect: boolean;
  readonly authorization: string | undefined;
  readonly apiVersion: string | null;
  readonly body: unknown;
}

export interface FakeResourceManager extends AsyncDisposable {
  readonly url: string;
  readonly puts: readonly ArmPut[];
  readonly protected: boolean;
  /** Changes that were carried out, by `Date.now()`. */
  readonly changes: readonly { readonly at: number; readonly protect: boolean }[];
  /** The next PUTs are answered so, one each. */
  next(...answers: readonly ArmAnswer[]): void;
  /** All PUTs after those are answered so. Default: done at once. */
  always(answer: ArmAnswer): void;
}

export async function startFakeResourceManager(resourceId: string): Promise<FakeResourceManager> {
  const puts: ArmPut[] = [];
  const changes: { at: number; protect: boolean }[] = [];
  const queued: ArmAnswer[] = [];
  const operations = new Map<string, { left: number; protect: boolean; fails: string | undefined }>();
  let usual: ArmAnswer = { afterMs: 0 };

  const carryOut = (protect: boolean): void => void changes.push({ at: Date.now(), protect });

  function progress(path: string): LoopbackAnswer {
    const operation = operations.get(path);
    if (operation === undefined)
      return { status: 404, body: { error: { code: "NotFound", message: "No such operation." } } };
    const isLocation = path.startsWith("/location/");
    if (operation.left-- > 0) {
      return isLocation
        ? { status: 202 }
        : { status: 200, headers: { "Retry-After": "0" }, body: { status: "InProgress" } };
    }
    if (operation.fails !== undefined) {
      return { status: 200, body: { status: "Failed", error: { code: "Conflict", message: operation.fails } } };
    }
    carryOut(operation.protect);
    return { status: 200, body: isLocation ? {} : { status: "Succeeded" } };
  }

  async function put(protect: boolean, origin: string): Promise<LoopbackAnswer | "silence"> {
    const answer = queued.shift() ?? usual;
    if (answer === "silence") return answer;
    if ("afterMs" in answer) {
      await wait(answer.afterMs);
      carryOut(protect);
      return { status: 200, body: {} };
    }
    if ("accepted" in answer) {
      const { accepted, by, polls, fails } = answer;
      const path = `/${by}/${puts.length}`;
      operations.set(path, { left: polls, protect, fails });
      const name = by === "operation" ? "Azure-AsyncOperation" : "Location";
      return { status: accepted, headers: { [name]: origin + path, "Retry-After": "0" }, body: {} };
    }
    const { status, code = "Fault", message = "A fault.", retryAfterSeconds } = answer;
    const headers = retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) };
    return { status, headers, body: { error: { code, message } } };
  }

  async function answerTo({ method, url, headers, body }: LoopbackRequest): Promise<LoopbackAnswer | "silence"> {
    if (method === "GET") return progress(url.pathname);
    if (method !== "PUT" || url.pathname !== resourceId) {
      return { status: 404, body: { error: { code: "ResourceNotFound", message: "No such resource." } } };
    }
    const { properties } = body as { properties: { protectionPolicy: { protectFromScaleIn: boolean } } };
    const protect = properties.protectionPolicy.protectFromScaleIn;
    const { authorization } = headers;
    puts.push({ at: Date.now(), protect, authorization, apiVersion: url.searchParams.get("api-version"), body });
    return put(protect, server.url);
  }

  const server = await startLoopbackServer(answerTo);
  return {
    url: server.url,
    puts,
    changes,
    get protected() {
      return changes.at(-1)?.protect ?? false;
    },
    next: (...answers) => void queued.push(...answers),
    always: (answer) => {
      usual = answer;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
