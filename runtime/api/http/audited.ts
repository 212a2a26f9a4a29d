/**
 * Records every change that comes through the API in the audit, in one place: an operation that is not a GET leaves an entry
 * unless it says why not. Entries are written after the change and before its answer, so a caller that has the answer finds
 * the entry. A change must not fail because it could not be recorded: then the entry is an error in the log.
 */
import type { ErrorRequestHandler, Request, Response } from "express";
import { type AuditEntry, type Change, cut, factsOf } from "../../core/audit.ts";
import { ForbiddenError, isSystemError, messageOf } from "../../core/errors.ts";
import { parseBatchId, parseJobId } from "../../core/job/ids.ts";
import { AUDIT_REFUSALS_PER_MINUTE } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { AuditStore } from "../../core/ports/audit-store.ts";
import type { Clock } from "../../core/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { type Caller, callerKey, findCaller } from "../auth/caller.ts";
import { statusOf } from "./error-response.ts";
import type { Operation, Reply } from "./operation.ts";
import { addressOf } from "./rate-limit.ts";
import { requestIdOf } from "./request-ids.ts";

export interface AuditDeps {
  readonly audit: Pick<AuditStore, "add">;
  readonly metrics: Pick<Metrics, "auditLost">;
  readonly newEntryId: () => string;
  readonly now: Clock["now"];
  readonly log: Logger;
}

type Checked = Omit<Parameters<Operation["handle"]>[0], "changed">;

export interface Audited {
  /** Calls the operation's handler. */
  serve(operation: Operation, checked: Checked, request: Request, response: Response): Promise<Reply>;
  /** Records that a caller was refused because its role allows no such change. */
  refusals(operation: Operation): ErrorRequestHandler;
}

/** Whether requests of this operation are recorded. */
const isAudited = ({ method, audit }: Pick<Operation, "method" | "audit">): boolean =>
  method !== "get" && typeof audit !== "object";

const MINUTE_MS = 60_000;

export function createAudited({ audit, metrics, newEntryId, now, log }: AuditDeps): Audited {
  const mayRecordRefusal = createRefusalLimit(now);

  async function add(entry: AuditEntry): Promise<void> {
    try {
      await audit.add(entry);
    } catch (error) {
      metrics.auditLost.add(1, {});
      log.error({ audit: entry, error: messageOf(error) }, "a change could not be recorded in the audit");
    }
  }

  async function record({ operation, caller, params, changes, thrown, ...origin }: Seen): Promise<void> {
    const { outcome, code } = outcomeOf(thrown);
    if (outcome === "refused" && !mayRecordRefusal(callerKey(caller))) return;
    const usual: readonly Change[] = operation.audit === "as-noted" && thrown === undefined ? [] : [{}];
    const names = namesIn(params);
    for (const { tenantName = tenantIn(names), subject, before, after } of changes.length > 0 ? changes : usual) {
      const isOwn = tenantName !== undefined && caller.mayUse(tenantName);
      await add({
        // What a stranger tries is not shown to the tenant, which must not learn of others.
        tenantName: isOwn ? tenantName : undefined,
        at: now(),
        entryId: newEntryId(),
        operation: operation.id,
        outcome,
        code,
        ...actorOf(caller),
        ...origin,
        subject: factsOf({ ...names, ...(!isOwn && { tenantName }), ...subject }),
        before: before && factsOf(before),
        after: after && factsOf(after),
      });
    }
  }

  return {
    async serve(operation, checked, request, response) {
      const changes: Change[] = [];
      const withNotes = Object.defineProperties(
        { changed: (change: Change) => void changes.push(change) },
        // Some parts are made when they are used.
        Object.getOwnPropertyDescriptors(checked),
      ) as Parameters<Operation["handle"]>[0];
      if (!isAudited(operation)) return operation.handle(withNotes);
      // Before the handler: a request that was cut off has no address any more.
      const seen = {
        operation,
        caller: checked.caller,
        params: checked.params,
        changes,
        ...originOf(request, response),
      };
      let reply: Reply;
      try {
        reply = await operation.handle(withNotes);
      } catch (thrown) {
        response.locals[RECORDED] = true;
        await record({ ...seen, thrown });
        throw thrown;
      }
      if (reply.lines !== undefined) return { ...reply, lines: recordedAtItsEnd(reply.lines, () => record(seen)) };
      await record(seen);
      return reply;
    },

    refusals: (operation) => async (thrown: unknown, request, response, next) => {
      const caller = findCaller(response);
      const isFirst = response.locals[RECORDED] !== true;
      if (thrown instanceof ForbiddenError && caller !== undefined && isFirst && isAudited(operation)) {
        const params = operation.params?.safeParse(request.params).data;
        await record({ operation, caller, params, changes: [], thrown, ...originOf(request, response) });
      }
      next(thrown);
    },
  };
}

interface Seen extends Pick<AuditEntry, "from" | "requestId"> {
  readonly operation: Operation;
  readonly caller: Caller;
  readonly params: unknown;
  readonly changes: readonly Change[];
  /** What was thrown instead of an answer. */
  readonly thrown?: unknown;
}

const originOf = (request: Request, response: Response): Pick<AuditEntry, "from" | "requestId"> => ({
  from: addressOf(request) || undefined,
  requestId: requestIdOf(response),
});

const RECORDED = "recordedInAudit";

async function* recordedAtItsEnd<T>(lines: AsyncIterable<T>, record: () => Promise<void>): AsyncGenerator<T> {
  try {
    yield* lines;
  } finally {
    // Also for a client that disconnects: what was submitted until then stays.
    await record();
  }
}

function outcomeOf(thrown: unknown): Pick<AuditEntry, "outcome" | "code"> {
  if (thrown === undefined) return { outcome: "done", code: undefined };
  if (!isSystemError(thrown)) return { outcome: "failed", code: "InternalError" };
  return { outcome: statusOf(thrown.code) < 500 ? "refused" : "failed", code: thrown.code };
}

const actorOf = ({ name, identity }: Caller): Pick<AuditEntry, "actor" | "actorId" | "actorKind"> => ({
  actor: cut(name),
  actorId: identity?.principalId,
  actorKind: identity?.kind,
});

/** Names and ids of the path. They are checked against their patterns. */
const namesIn = (params: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(params ?? {}).map(([name, value]) => [name, String(value)]));

const tenantIn = ({ tenantName, batchId, jobId }: Readonly<Record<string, string | undefined>>): string | undefined =>
  tenantName ??
  (jobId === undefined ? undefined : parseJobId(jobId)?.tenantName) ??
  (batchId === undefined ? undefined : parseBatchId(batchId)?.tenantName);

/** Counts refusals of each caller in the minute. A map of one minute has no more callers than made requests in it. */
function createRefusalLimit(now: Clock["now"]): (key: string) => boolean {
  let minute = 0;
  const counts = new Map<string, number>();
  return (key) => {
    const current = Math.floor(now().getTime() / MINUTE_MS);
    if (current !== minute) {
      minute = current;
      counts.clear();
    }
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count <= AUDIT_REFUSALS_PER_MINUTE;
  };
}
