/**
 * The platform's answers to a machine or to an app of App Service: its name, its scheduled events, and the tokens of
 * its identities. The service identifies the caller by its address.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { Estate, RecordedIdentity } from "./estate.ts";
import { readBody, sendJson } from "./http.ts";
import type { Tokens } from "./tokens.ts";

/** An instance of a scale set. */
export interface Instance {
  /** `{scaleSet}_{number}`. */
  readonly name: string;
  readonly resourceId: string;
  readonly scaleSetName: string;
  readonly vmSize: string;
  readonly identityIds: readonly string[];
}

export interface MetadataService {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Announces the end of an instance. Resolves when the instance has approved, or with false after the wait. */
  announceEnd(name: string, waitMs: number): Promise<boolean>;
}

export interface MetadataServiceDeps {
  readonly identities: Estate["identities"];
  readonly tokens: Tokens;
  /** Undefined for an address without an instance. */
  readonly instanceAt: (address: string) => Instance | undefined;
  readonly nowMs: () => number;
}

interface ScheduledEvent {
  readonly id: string;
  readonly name: string;
  readonly notBefore: string;
  readonly approve: () => void;
}

const approvalSchema = z.object({ StartRequests: z.array(z.object({ EventId: z.string() })) });

export function createMetadataService({ identities, tokens, instanceAt, nowMs }: MetadataServiceDeps): MetadataService {
  let incarnation = 1;
  let events: readonly ScheduledEvent[] = [];
  const changeEvents = (changed: readonly ScheduledEvent[]): void => {
    events = changed;
    incarnation++;
  };

  return {
    async handle(request, response) {
      const url = new URL(request.url ?? "/", "http://metadata");
      const instance = instanceAt(addressOf(request));
      if (request.headers["metadata"] !== "true" || instance === undefined) {
        sendJson(response, 400, { error: "Bad request. Required metadata header not specified" });
        return;
      }
      switch (url.pathname) {
        case "/metadata/instance/compute":
          sendJson(response, 200, {
            name: instance.name,
            resourceId: instance.resourceId,
            vmScaleSetName: instance.scaleSetName,
            vmSize: instance.vmSize,
            location: "westeurope",
          });
          return;
        case "/metadata/identity/oauth2/token":
          answerToken(url, response, ownIdentity(identities, instance.identityIds, url), tokens, nowMs);
          return;
        case "/metadata/scheduledevents":
          if (request.method === "POST") {
            const approval = approvalSchema.parse(JSON.parse((await readBody(request)).toString()));
            for (const { EventId } of approval.StartRequests) events.find(({ id }) => id === EventId)?.approve();
          }
          sendJson(response, 200, {
            DocumentIncarnation: incarnation,
            Events: events.map(({ id, name, notBefore }) => ({
              EventId: id,
              EventType: "Terminate",
              EventStatus: "Scheduled",
              ResourceType: "VirtualMachine",
              Resources: [name],
              NotBefore: notBefore,
            })),
          });
          return;
        default:
          sendJson(response, 404, { error: "Not found" });
      }
    },

    async announceEnd(name, waitMs) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const event: ScheduledEvent = {
        id: crypto.randomUUID(),
        name,
        notBefore: new Date(nowMs() + waitMs).toUTCString(),
        approve: () => resolve(true),
      };
      changeEvents([...events, event]);
      const timer = setTimeout(() => resolve(false), waitMs);
      const approved = await promise;
      clearTimeout(timer);
      changeEvents(events.filter((other) => other !== event));
      return approved;
    },
  };
}

const addressOf = (request: IncomingMessage): string => (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");

/** The requested identity. Without a name in the request, the only one. */
export function ownIdentity(
  identities: readonly RecordedIdentity[],
  ownIds: readonly string[],
  url: URL,
): RecordedIdentity | undefined {
  const own = identities.filter(({ id }) => ownIds.includes(id));
  const clientId = url.searchParams.get("client_id");
  if (clientId === null) return own.length === 1 ? own[0] : undefined;
  return own.find((identity) => identity.clientId === clientId);
}

/** The metadata service and App Service give the same answer. */
export function answerToken(
  url: URL,
  response: ServerResponse,
  identity: RecordedIdentity | undefined,
  tokens: Tokens,
  now: () => number,
): void {
  const resource = url.searchParams.get("resource");
  if (identity === undefined || resource === null) {
    sendJson(response, 400, { error: "invalid_request", error_description: "Identity not found" });
    return;
  }
  const { accessToken, expiresOn, expiresInSeconds } = tokens.issue(identity.principalId, resource);
  sendJson(response, 200, {
    access_token: accessToken,
    client_id: identity.clientId,
    expires_in: String(expiresInSeconds),
    expires_on: String(expiresOn),
    not_before: String(Math.floor(now() / 1_000)),
    resource,
    token_type: "Bearer",
  });
}
