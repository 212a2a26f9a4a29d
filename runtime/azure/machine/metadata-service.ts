/**
 * The client of the instance metadata service. A machine in Azure reads its own identity, scheduled events and tokens
 * from it. The service has a link-local address that only this machine can reach.
 * https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
 *
 * | call            | given up after                                                   | repeated                          |
 * |-----------------|------------------------------------------------------------------|-----------------------------------|
 * | instance, token | 5 s                                                              | up to 5 times over 15 s, then by the caller |
 * | events          | 10 s; the first 150 s, because it turns the feature on (2 min)   | by the next poll                  |
 * | approval        | 10 s                                                             | by the next poll                  |
 */
import { z } from "zod";
import { type Clock } from "../../core/clock.ts";
import { sleep } from "../../core/sleep.ts";
import { jsonOf, request, type PlatformAnswer, type PlatformRequest } from "./platform-request.ts";
import { type MachineMetadata, PlatformError } from "../../core/ports/machine.ts";

export interface MetadataService extends MachineMetadata {
  /**
   * A token for the resource; the same one until it is about to expire. Throws PlatformError, or the signal's reason.
   */
  token(resource: string, signal: AbortSignal): Promise<string>;
  /** Call it after a token was refused. The next call of `token` requests a new one. */
  forgetToken(resource: string): void;
}

export interface MetadataServiceDeps {
  readonly url: string;
  readonly identityClientId: string | undefined;
  readonly monotonicNow: Clock["monotonicNow"];
}

const INSTANCE_VERSION = "2021-02-01";
const TOKEN_VERSION = "2018-02-01";
const EVENTS_VERSION = "2020-07-01";

const TIMEOUT_MS = 5_000;
const EVENTS_TIMEOUT_MS = 10_000;
/** The first call turns on scheduled events, which can take two minutes. */
const FIRST_EVENTS_TIMEOUT_MS = 150_000;
const RETRY_PAUSES_MS: readonly number[] = [500, 1_000, 3_000, 10_000];
/** The service is busy or being updated. The call should be repeated. */
const PASSING_STATUS: readonly number[] = [404, 410, 429];
/** A token is renewed this long before it expires. */
const TOKEN_MARGIN_MS = 5 * 60_000;

const instanceSchema = z.object({
  name: z.string().min(1),
  resourceId: z.string().min(1),
  location: z.string().min(1),
  vmScaleSetName: z.string(),
});
const tokenSchema = z.object({ access_token: z.string().min(1), expires_in: z.coerce.number().positive() });
const eventsSchema = z.object({
  DocumentIncarnation: z.coerce.number(),
  Events: z.array(
    z.object({
      EventId: z.string().min(1),
      EventType: z.string(),
      EventStatus: z.string(),
      Resources: z.array(z.string()),
      /** Empty once the event has started. */
      NotBefore: z.string().nullish(),
    }),
  ),
});

interface HeldToken {
  readonly text: string;
  /** Time of the monotonic clock. */
  readonly until: number;
}

export function createMetadataService({ url, identityClientId, monotonicNow }: MetadataServiceDeps): MetadataService {
  const tokens = new Map<string, HeldToken>();
  let eventsAnswered = false;

  const call = (path: string, query: Record<string, string>, options: Omit<PlatformRequest, "headers">) =>
    request(`${url}/metadata/${path}?${new URLSearchParams(query).toString()}`, {
      ...options,
      headers: { Metadata: "true" },
    });

  /** Repeats calls that failed for a passing reason. Throws the last failure. */
  async function retried(what: string, step: () => Promise<PlatformAnswer>, signal: AbortSignal): Promise<string> {
    for (let tries = 0; ; tries++) {
      const failure = await step().then(
        (answer) => (answer.status === 200 ? answer : refusal(what, answer)),
        (error: unknown) => error,
      );
      if (isAnswer(failure)) return failure.text;
      const waitMs = RETRY_PAUSES_MS[tries];
      if (waitMs === undefined || !(failure instanceof PlatformError) || failure instanceof RefusedError) throw failure;
      await sleep(waitMs, signal);
    }
  }

  return {
    async instance(signal) {
      const text = await retried(
        "the instance",
        () => call("instance/compute", { "api-version": INSTANCE_VERSION }, { timeoutMs: TIMEOUT_MS, signal }),
        signal,
      );
      const { vmScaleSetName, ...rest } = parsed(instanceSchema, text, "the instance");
      return { ...rest, scaleSetName: vmScaleSetName };
    },

    async token(resource, signal) {
      const held = tokens.get(resource);
      if (held !== undefined && monotonicNow() < held.until) return held.text;
      const query = {
        "api-version": TOKEN_VERSION,
        resource,
        ...(identityClientId !== undefined && { client_id: identityClientId }),
      };
      const requestedAt = monotonicNow();
      const text = await retried(
        "a token",
        () => call("identity/oauth2/token", query, { timeoutMs: TIMEOUT_MS, signal }),
        signal,
      );
      const { access_token, expires_in } = parsed(tokenSchema, text, "a token");
      tokens.set(resource, { text: access_token, until: requestedAt + expires_in * 1_000 - TOKEN_MARGIN_MS });
      return access_token;
    },

    forgetToken: (resource) => void tokens.delete(resource),

    async scheduledEvents(signal) {
      const timeoutMs = eventsAnswered ? EVENTS_TIMEOUT_MS : FIRST_EVENTS_TIMEOUT_MS;
      const answer = await call("scheduledevents", { "api-version": EVENTS_VERSION }, { timeoutMs, signal });
      if (answer.status !== 200) throw refusal("scheduled events", answer);
      const { DocumentIncarnation, Events } = parsed(eventsSchema, answer.text, "scheduled events");
      eventsAnswered = true;
      return {
        incarnation: DocumentIncarnation,
        events: Events.map((event) => ({
          eventId: event.EventId,
          type: event.EventType,
          status: event.EventStatus,
          resources: event.Resources,
          notBefore: timeOf(event.NotBefore),
        })),
      };
    },

    async approve(eventIds, signal) {
      const body = { StartRequests: eventIds.map((EventId) => ({ EventId })) };
      const query = { "api-version": EVENTS_VERSION };
      const answer = await call("scheduledevents", query, {
        method: "POST",
        body,
        timeoutMs: EVENTS_TIMEOUT_MS,
        signal,
      });
      if (answer.status !== 200) throw refusal("an approval", answer);
    },
  };
}

/** A repeated call would get the same answer, for example because the identity is wrong. */
class RefusedError extends PlatformError {
  readonly lasting = true;
}

const isAnswer = (value: unknown): value is PlatformAnswer =>
  typeof value === "object" && value !== null && "text" in value && "status" in value;

/** Without the body, because it may contain a token. */
function refusal(what: string, { status }: PlatformAnswer): PlatformError {
  const message = `The metadata service answered ${status} to the request for ${what}.`;
  return PASSING_STATUS.includes(status) || status >= 500 ? new PlatformError(message) : new RefusedError(message);
}

function parsed<T>(schema: z.ZodType<T>, text: string, what: string): T {
  const result = schema.safeParse(jsonOf(text));
  if (result.success) return result.data;
  throw new PlatformError(`The metadata service sent an unreadable answer to the request for ${what}.`);
}

/** Milliseconds since the epoch; undefined if there is none. */
function timeOf(text: string | null | undefined): number | undefined {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? undefined : time;
}
