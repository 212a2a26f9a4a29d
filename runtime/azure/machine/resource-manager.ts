/**
 * Requests to Azure Resource Manager that protect this instance from scale-in or end the protection, and the meaning of
 * the answers. The body contains only the policy: a whole model would need a read before, and rights to all its parts.
 * https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-instance-protection
 *
 * A request is given up after 30 s. A change that Azure carries out later is followed for two minutes. Nothing is
 * repeated here: the state machine in scale-in-protection.ts decides how often a change is requested.
 */
import { z } from "zod";
import type { Logger } from "../../core/logger.ts";
import { type Clock } from "../../core/clock.ts";
import { sleep } from "../../core/sleep.ts";
import type { MetadataService } from "./metadata-service.ts";
import { jsonOf, request, type PlatformAnswer } from "./platform-request.ts";
import { type ChangeAnswer, type Instance, type InstanceProtection, PlatformError } from "../../core/ports/machine.ts";

export interface InstanceProtectionDeps {
  readonly metadata: Pick<MetadataService, "token" | "forgetToken">;
  readonly instance: Instance;
  readonly resourceManagerUrl: string;
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

const API_VERSION = "2024-07-01";
const REQUEST_TIMEOUT_MS = 30_000;
/** A change that Azure has accepted is followed for this long. */
const OPERATION_MS = 120_000;
const OPERATION_POLL_MS = 2_000;
/** The instance is deleted or being deleted. A 404 with another code can mean that a right is missing. */
const GONE_CODES: readonly string[] = [
  "ResourceNotFound",
  "ResourceGroupNotFound",
  "ParentResourceNotFound",
  "NotFound",
];
const NOT_ACTIVE = /is not an active Virtual Machine Scale Set VM/i;

const INSTANCE_ID =
  /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.Compute\/virtualMachineScaleSets\/[^/]+\/virtualMachines\/[^/]+$/i;

/** Whether it belongs to a Uniform scale set. Only their instances can be protected this way. */
export const isUniformInstance = ({ resourceId }: Instance): boolean => INSTANCE_ID.test(resourceId);

const errorSchema = z.object({ error: z.object({ code: z.string(), message: z.string().default("") }) });
const operationSchema = z.object({
  status: z.string(),
  error: z.object({ code: z.string(), message: z.string().default("") }).optional(),
});

export function createInstanceProtection(deps: InstanceProtectionDeps): InstanceProtection {
  const { metadata, instance, resourceManagerUrl, monotonicNow, log } = deps;
  const audience = `${resourceManagerUrl}/`;
  const url = `${resourceManagerUrl}${instance.resourceId}?api-version=${API_VERSION}`;

  async function headers(signal: AbortSignal): Promise<Record<string, string>> {
    return { Authorization: `Bearer ${await metadata.token(audience, signal)}` };
  }

  async function put(protect: boolean, signal: AbortSignal): Promise<ChangeAnswer> {
    const answer = await request(url, {
      method: "PUT",
      headers: await headers(signal),
      body: { location: instance.location, properties: { protectionPolicy: { protectFromScaleIn: protect } } },
      timeoutMs: REQUEST_TIMEOUT_MS,
      signal,
    });
    if (answer.status !== 200 && answer.status !== 201 && answer.status !== 202) return meaningOf(answer);
    const operation = answer.header("Azure-AsyncOperation");
    const location = answer.header("Location");
    if (operation !== undefined) return follow(operation, "operation", answer, signal);
    if (answer.status === 202 && location !== undefined) return follow(location, "location", answer, signal);
    return { kind: "done" };
  }

  /** Polls until the change has been carried out. An operation has a status; a location answers 202 until then. */
  async function follow(
    address: string,
    kind: "operation" | "location",
    first: PlatformAnswer,
    signal: AbortSignal,
  ): Promise<ChangeAnswer> {
    // A token is sent to Resource Manager only, also if an answer names another host.
    if (URL.parse(address)?.origin !== resourceManagerUrl) {
      throw new PlatformError("Resource Manager named another host for the progress of a change.");
    }
    const giveUpAt = monotonicNow() + OPERATION_MS;
    for (let last = first; monotonicNow() < giveUpAt;) {
      await sleep(retryAfterMs(last) ?? OPERATION_POLL_MS, signal);
      last = await request(address, {
        headers: await headers(signal),
        timeoutMs: REQUEST_TIMEOUT_MS,
        signal,
      });
      if (last.status === 429 || last.status === 202) continue;
      if (last.status !== 200 && last.status !== 201) return meaningOf(last);
      if (kind === "location") return { kind: "done" };
      const { status, error } = operationSchema.safeParse(jsonOf(last.text)).data ?? { status: "unreadable" };
      if (status === "Succeeded") return { kind: "done" };
      if (status === "Failed" || status === "Canceled") return meaningOfError(409, error);
    }
    throw new PlatformError("Resource Manager accepted a change but did not carry it out in time.");
  }

  return {
    async change(protect, signal) {
      try {
        return await put(protect, signal);
      } catch (error) {
        // The worker ends and does not need the answer.
        if (signal.aborted) return { kind: "failed", why: "unanswered", retryAfterMs: undefined };
        if (!(error instanceof PlatformError)) log.error({ err: error }, "a change of protection failed unexpectedly");
        else log.warn({ error: error.message, protect }, "a change of protection was not answered");
        return { kind: "failed", why: "unanswered", retryAfterMs: undefined };
      }
    },
  };

  function meaningOf(answer: PlatformAnswer): ChangeAnswer {
    const error = errorSchema.safeParse(jsonOf(answer.text)).data?.error;
    if (answer.status === 401) metadata.forgetToken(audience);
    if (answer.status === 429) return { kind: "failed", why: "throttled", retryAfterMs: retryAfterMs(answer) };
    if (answer.status === 404 && GONE_CODES.includes(error?.code ?? "")) return { kind: "gone" };
    return meaningOfError(answer.status, error, retryAfterMs(answer));
  }

  function meaningOfError(
    status: number,
    error: { readonly code: string; readonly message: string } | undefined,
    retryAfter?: number,
  ): ChangeAnswer {
    if (error !== undefined && NOT_ACTIVE.test(error.message)) return { kind: "gone" };
    log.warn({ status, code: error?.code, error: error?.message }, "a change of protection was refused");
    const why = status === 409 ? "conflict" : status >= 500 ? "unanswered" : "denied";
    return { kind: "failed", why, retryAfterMs: retryAfter };
  }
}

/** Undefined if there is no such header, or if it contains a date. */
function retryAfterMs(answer: PlatformAnswer): number | undefined {
  const seconds = Number(answer.header("Retry-After") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}
