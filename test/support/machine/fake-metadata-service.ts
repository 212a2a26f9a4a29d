/**
 * The instance metadata service of one machine, with the rules a client must keep: the header `Metadata: true`, a known
 * api-version, no proxy. Tests schedule events and see what was approved.
 */
import { randomUUID } from "node:crypto";
import { startLoopbackServer, type LoopbackAnswer, type LoopbackRequest } from "../network/loopback-server.ts";

export interface FakeMetadataService extends AsyncDisposable {
  readonly url: string;
  readonly name: string;
  readonly resourceId: string;
  /** Tokens it has issued, in order. */
  readonly tokens: readonly string[];
  /** Queries of the token requests. */
  readonly tokenQueries: readonly Readonly<Record<string, string>>[];
  /** Ids of approved events. */
  readonly approved: readonly string[];
  /** How often events were asked for. */
  readonly polls: number;
  /** Puts an event on the list; resolves to its id. Default: of this machine, in 15 minutes. */
  schedule(type: string, event?: { readonly inMs?: number; readonly resources?: readonly string[] }): string;
  /** Takes it off the list. */
  cancel(eventId: string): void;
  /** The next answers on a path: a status, or silence. Then it works again. */
  fail(path: FakePath, ...answers: readonly (number | "silence")[]): void;
}

type FakePath = "instance/compute" | "identity/oauth2/token" | "scheduledevents";

const VERSIONS: Readonly<Record<FakePath, string>> = {
  "instance/compute": "2021-02-01",
  "identity/oauth2/token": "2018-02-01",
  scheduledevents: "2020-07-01",
};
const TOKEN_SECONDS = 86_400;

export async function startFakeMetadataService({
  scaleSet = "workers",
  instanceId = "4",
  tokenSeconds = TOKEN_SECONDS,
} = {}): Promise<FakeMetadataService> {
  const name = `${scaleSet}_${instanceId}`;
  const resourceId = `/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachineScaleSets/${scaleSet}/virtualMachines/${instanceId}`;
  const faults = new Map<string, (number | "silence")[]>();
  const tokens: string[] = [];
  const tokenQueries: Record<string, string>[] = [];
  const approved: string[] = [];
  let events: { EventId: string }[] = [];
  let incarnation = 1;
  let polls = 0;

  function answerTo({ method, url, headers, body }: LoopbackRequest): LoopbackAnswer | "silence" {
    const path = url.pathname.replace("/metadata/", "");
    if (headers["metadata"] !== "true")
      return { status: 400, body: { error: "Required metadata header not specified" } };
    if (headers["x-forwarded-for"] !== undefined) return { status: 400, body: { error: "Proxied" } };
    if (!(path in VERSIONS)) return { status: 404 };
    if (url.searchParams.get("api-version") !== VERSIONS[path as FakePath]) return { status: 400 };
    const fault = faults.get(path)?.shift();
    if (fault !== undefined) return fault === "silence" ? fault : { status: fault };
    switch (path as FakePath) {
      case "instance/compute":
        return {
          status: 200,
          body: { name, resourceId, location: "westeurope", vmScaleSetName: scaleSet, vmId: "v1" },
        };
      case "identity/oauth2/token": {
        const token = `token-${tokens.length + 1}`;
        tokens.push(token);
        tokenQueries.push(Object.fromEntries(url.searchParams));
        return { status: 200, body: { access_token: token, expires_in: String(tokenSeconds), token_type: "Bearer" } };
      }
      case "scheduledevents": {
        if (method === "GET") {
          polls++;
          return { status: 200, body: { DocumentIncarnation: incarnation, Events: events } };
        }
        const { StartRequests } = body as { StartRequests: { EventId: string }[] };
        if (StartRequests.some(({ EventId }) => !events.some((event) => event.EventId === EventId)))
          return { status: 400 };
        approved.push(...StartRequests.map(({ EventId }) => EventId));
        return { status: 200 };
      }
    }
  }

  const server = await startLoopbackServer(answerTo);
  return {
    url: server.url,
    name,
    resourceId,
    tokens,
    tokenQueries,
    approved,
    get polls() {
      return polls;
    },
    schedule(type, { inMs = 15 * 60_000, resources = [name] } = {}) {
      const EventId = randomUUID();
      const NotBefore = new Date(Date.now() + inMs).toUTCString();
      const event = { EventId, EventType: type, ResourceType: "VirtualMachine", EventStatus: "Scheduled", NotBefore };
      events = [...events, { ...event, Resources: resources } as { EventId: string }];
      incarnation++;
      return EventId;
    },
    cancel(eventId) {
      events = events.filter(({ EventId }) => EventId !== eventId);
      incarnation++;
    },
    fail: (path, ...answers) => void faults.set(path, [...answers]),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
