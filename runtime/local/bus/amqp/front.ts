/** What the parts of the AMQP front share: their dependencies, the state of a connection, addresses and limits. */
import type { AuditListener, Claims } from "../access/claims.ts";
import type { Gate } from "../access/gate.ts";
import type { BrokerHost } from "../host.ts";
import type { AmqpError, Connection, ReceiverLink, SenderLink } from "./rhea.ts";

export interface AmqpDeps {
  readonly host: BrokerHost;
  readonly gate: Gate;
  /** Called with decisions about tokens and rights. */
  readonly audit: AuditListener;
  readonly now: () => number;
  /** The largest message, batch or request. */
  readonly messageBytes: number;
  /** Called with a bug of the bus. */
  readonly onFault: (error: unknown) => void;
}

/** The tokens of one connection, and the links for its replies. */
export class ConnectionState {
  readonly claims: Claims;
  readonly #replyLinks = new Set<ReplyLink>();

  constructor(claims: Claims) {
    this.claims = claims;
  }

  /** Adds a link on which the client receives replies. @returns a function that removes it. */
  addReplyLink(link: SenderLink): () => void {
    const { source, target } = link.remote.attach ?? {};
    // A client names its reply link by the target or by the name of the link.
    const names = [addressOf(target), link.name];
    const entry = { link, names, node: nodeOf(addressOf(source)) };
    this.#replyLinks.add(entry);
    return () => void this.#replyLinks.delete(entry);
  }

  /**
   * The link for the reply to a request: the link that the request names, or else one that receives from the same node.
   * Clients that use uAMQP name no link. A link in the session of the request comes first, then the newest.
   */
  replyLink(request: ReceiverLink, replyTo: string | undefined): SenderLink | undefined {
    const links = [...this.#replyLinks].reverse();
    const named = replyTo === undefined ? undefined : links.find(({ names }) => names.includes(replyTo));
    if (named) return named.link;
    const node = nodeOf(addressOf(request.remote.attach?.target));
    const ofNode = links.filter((each) => each.node === node);
    return (ofNode.find(({ link }) => link.session === request.session) ?? ofNode[0])?.link;
  }
}

interface ReplyLink {
  readonly link: SenderLink;
  readonly names: readonly unknown[];
  readonly node: string;
}

const nodeOf = (address: unknown): string => entityPath(address).toLowerCase();

/** The address of a source or target; undefined for a coordinator. */
export const addressOf = (terminus: object | null | undefined): unknown =>
  terminus && "address" in terminus ? terminus.address : undefined;

/** Called once, when a link, its session or its connection ends. */
export interface LinkEnd {
  (): void;
}

export interface LinkRegistry {
  /** Registers a call for the end of the link. A link can have several. */
  onEnd(link: ReceiverLink | SenderLink, end: LinkEnd): void;
  stateOf(connection: Connection): ConnectionState;
}

/** Ends a link after its attach was answered, because the SDK reads only the error of a detach. */
export function refuse(link: ReceiverLink | SenderLink, error: AmqpError): void {
  setImmediate(() => link.close(error));
}

/** The entity path within a link address, which may be a whole URI. */
export function entityPath(address: unknown): string {
  if (typeof address !== "string") return "";
  return address.replace(/^(?:amqps?|sb):\/\/[^/]*/i, "").replace(/^\/+/, "");
}

const MANAGEMENT = /\/\$management$/i;

export const isManagement = (path: string): boolean => MANAGEMENT.test(path);

export const withoutManagement = (path: string): string => path.replace(MANAGEMENT, "");

export const CBS_ADDRESS = "$cbs";

/** Limits of the AMQP front. */
export const WIRE_LIMITS = {
  /** The service's frame size. */
  frameBytes: 65_536,
  /** The default limit of one message, batch or request, as in the Standard tier. */
  messageBytes: 262_144,
  /** Unsettled deliveries in one AMQP session, per direction. */
  sessionDeliveries: 16_384,
  /**
   * Messages that a client may have in flight on one link. The SDK sleeps a full second when it runs out of credit, so
   * this is well above what it sends at once. Half-used credit is filled up.
   */
  senderCredit: 5_000,
  managementCredit: 500,
  /** The SDK sends heartbeats more often. */
  idleTimeoutMs: 240_000,
  /** Connections at a time. A further one is closed at once. Azure takes 1,000 (Basic, Standard) or 5,000. */
  connections: 5_000,
  /** The time from the TCP connection to AMQP's open. The SDK takes milliseconds. */
  openTimeoutMs: 15_000,
  /** The time in which an open connection must bring a valid token, as in Azure. */
  tokenTimeoutMs: 60_000,
  /** Messages that one peek returns at most. */
  peekCount: 1_000,
  /** Messages that one request may delete. https://learn.microsoft.com/azure/service-bus-messaging/batch-delete */
  deleteCount: 4_000,
} as const;
