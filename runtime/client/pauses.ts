/** Pauses: of a tenant, a job type, a pool, or one priority of a pool. Every call can be repeated. */
import type { PauseSubject } from "../core/admission/pause.ts";
import type { PauseView, PutPauseBody } from "../core/http/pause-api.ts";
import { type CallOptions, type Transport, path, unlessDone } from "./transport.ts";

export interface Pauses {
  /** Of pools and queues, and of your tenants. */
  list(options?: CallOptions): Promise<readonly PauseView[]>;
  /** Nothing new starts within 3 seconds. Running jobs go on, and jobs are accepted. */
  pause(subject: PauseSubject, body?: PutPauseBody, options?: CallOptions): Promise<PauseView>;
  /** Waiting jobs go on within a few seconds. */
  resume(subject: PauseSubject, options?: CallOptions): Promise<void>;
}

export function createPauses(transport: Transport): Pauses {
  return {
    async list({ signal } = {}) {
      return (await transport.json<{ readonly items: readonly PauseView[] }>({ path: "/v1/pauses", signal })).items;
    },
    pause: (subject, body = {}, { signal } = {}) =>
      transport.json({ method: "PUT", path: pathOf(subject), json: body, signal }),
    resume: (subject, { signal } = {}) =>
      unlessDone(transport.json<undefined>({ method: "DELETE", path: pathOf(subject), signal }), "PauseNotFound", () =>
        Promise.resolve(undefined),
      ),
  };
}

function pathOf(subject: PauseSubject): string {
  switch (subject.kind) {
    case "tenant":
      return path`/v1/tenants/${subject.tenantName}/pause`;
    case "type":
      return path`/v1/tenants/${subject.tenantName}/types/${subject.jobType}/pause`;
    case "pool":
      return path`/v1/pools/${subject.pool}/pause`;
    case "queue":
      return path`/v1/pools/${subject.pool}/queues/${subject.priority}/pause`;
  }
}
