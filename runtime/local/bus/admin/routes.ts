/** The resources of the administration API. https://learn.microsoft.com/rest/api/servicebus/ */
import type { Broker } from "../engine/broker.ts";
import type { QueueDescription } from "../engine/descriptions.ts";
import { rulesByName, type Entity } from "../engine/entities.ts";
import { BusError, entityNotFound } from "../engine/errors.ts";
import { type AtomEntry, type Page, type XmlElement, atomEntry, atomFeed, child, parseXml } from "./xml.ts";
import { readEntity, readRule, type Place } from "./read-description.ts";
import { writeEntity, writeNamespace, writeRule } from "./write-description.ts";

export interface AdminRequest {
  readonly method: string;
  /** Decoded, without slashes at its ends. */
  readonly path: string;
  readonly page: Page;
  /** `If-Match` was sent: a PUT updates instead of creating. */
  readonly update: boolean;
  readonly body: string;
  /** `http://host:port/`, as the client wrote it. */
  readonly base: string;
}

export interface AdminResponse {
  readonly status: number;
  readonly body: string;
}

/** Throws BusError `unauthorized` unless the client may manage the entity of that path. */
export type DemandManage = (path: string) => void;

/**
 * Serves a client that may manage the path of its request.
 *
 * @throws BusError
 */
export function serve(broker: Broker, request: AdminRequest, demand: DemandManage): AdminResponse {
  const { path } = request;
  const lower = path.toLowerCase();
  if (lower === "$namespaceinfo") return entry(request, { path, content: writeNamespace() });
  if (lower === "$resources/queues") return list(request, broker.entities.queues.values());
  if (lower === "$resources/topics") return list(request, broker.entities.topics.values());
  const parts = /^(.+?)\/subscriptions(?:\/([^/]+)(\/rules(?:\/([^/]+))?)?)?$/i.exec(path);
  if (!parts) return serveEntity(broker, request, { place: { kind: "entity", name: path }, demand });
  const [, topic = "", name, rules, rule] = parts;
  if (name === undefined) return listSubscriptions(broker, request, topic);
  if (rule !== undefined) return serveRule(broker, request, `${topic}/Subscriptions/${name}`, rule);
  if (rules !== undefined) return listRules(broker, request, `${topic}/Subscriptions/${name}`);
  return serveEntity(broker, request, { place: { kind: "subscription", topic, name }, demand });
}

const pathOf = (place: Place): string =>
  place.kind === "entity" ? place.name : `${place.topic}/Subscriptions/${place.name}`;

interface WantedEntity {
  readonly place: Place;
  readonly demand: DemandManage;
}

function serveEntity(broker: Broker, request: AdminRequest, { place, demand }: WantedEntity): AdminResponse {
  switch (request.method) {
    case "PUT": {
      const change = readEntity(place, child(parseBody(request), "content"));
      assertTargets(broker, change.description, demand);
      const entity = broker.setEntity(change, request.update ? "update" : "create");
      return entry(request, entityEntry(request, entity), request.update ? 200 : 201);
    }
    case "DELETE":
      broker.removeEntity(pathOf(place));
      return { status: 200, body: "" };
    case "GET": {
      const entity = broker.entities.find(pathOf(place));
      if (!entity) throw entityNotFound(pathOf(place));
      return entry(request, entityEntry(request, entity));
    }
    default:
      throw notAllowed(request);
  }
}

/**
 * As in the service, the target of a forwarding entity must exist, and the client must manage it too.
 * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-auto-forwarding
 */
function assertTargets(
  broker: Broker,
  { forwardTo, forwardDeadLetteredTo }: Partial<QueueDescription>,
  demand: DemandManage,
): void {
  for (const target of [forwardTo, forwardDeadLetteredTo]) {
    if (target === undefined) continue;
    demand(target);
    if (broker.entities.find(target) !== undefined) continue;
    throw new BusError(
      "invalid-argument",
      `SubCode=40400. The auto forwarding destination entity '${target}' does not exist.`,
    );
  }
}

function serveRule(broker: Broker, request: AdminRequest, subscription: string, name: string): AdminResponse {
  const path = `${subscription}/Rules/${name}`;
  switch (request.method) {
    case "PUT": {
      const description = child(child(parseBody(request), "content"), "RuleDescription");
      if (!description) throw new BusError("invalid-argument", "The request holds no RuleDescription.");
      const rule = broker.setRule(subscription, readRule(name, description), request.update ? "update" : "create");
      return entry(request, { path, content: writeRule(rule) }, request.update ? 200 : 201);
    }
    case "DELETE":
      broker.removeRule(subscription, name);
      return { status: 200, body: "" };
    case "GET": {
      const rule = broker.subscription(subscription).rules.get(name.toLowerCase());
      if (!rule) throw entityNotFound(path);
      return entry(request, { path, content: writeRule(rule.description) });
    }
    default:
      throw notAllowed(request);
  }
}

function listSubscriptions(broker: Broker, request: AdminRequest, topic: string): AdminResponse {
  const entity = broker.entities.topics.get(topic.toLowerCase());
  if (!entity) throw entityNotFound(topic);
  return list(request, entity.subscriptions.values());
}

function listRules(broker: Broker, request: AdminRequest, subscription: string): AdminResponse {
  const rules = rulesByName(broker.subscription(subscription)).map((description) => ({
    path: `${subscription}/Rules/${description.name}`,
    content: writeRule(description),
  }));
  return feed(request, rules);
}

const entityEntry = ({ base }: AdminRequest, entity: Entity): AtomEntry => ({
  path: entity.path,
  content: writeEntity(entity, new URL(base).host),
});

const list = (request: AdminRequest, entities: Iterable<Entity>): AdminResponse =>
  feed(
    request,
    [...entities].map((entity) => entityEntry(request, entity)),
  );

const feed = ({ base, path, page }: AdminRequest, entries: readonly AtomEntry[]): AdminResponse => ({
  status: 200,
  body: atomFeed(base, path, entries, page),
});

const entry = ({ base }: AdminRequest, content: AtomEntry, status = 200): AdminResponse => ({
  status,
  body: atomEntry(base, content),
});

const parseBody = ({ body }: AdminRequest): XmlElement => parseXml(body);

const notAllowed = ({ method, path }: AdminRequest): BusError =>
  new BusError("not-implemented", `${method} is not supported for '${path}'.`);
