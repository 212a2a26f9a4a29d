/** What the parts of the AMQP front share. */
import type { AuditListener, Claims } from "../access/claims.ts";
import type { Gate } from "../access/gate.ts";
import type { BrokerHost } from "../host.ts";
import type { AmqpError, Connection, ReceiverLink, SenderLink } from "./rhea.ts";

export interface AmqpDeps {
  readonly host: BrokerHost;
  readonly gate: Gate;
  /** Told of decisions about tokens and rights. */
  readonly audit: AuditListener;
  readonly now: () => number;
  /** The largest message, batch or request. */
  readonly messageBytes: number;
  /** Told of what should never happen; the connection it happened on has been closed. */
  readonly onFault: (error: unknown) => void;
}

/** What one connection has proved, and where its replies go. */
export class ConnectionState {
  readonly claims: Claims;
  readonly #replyLinks = new Set<ReplyLink>();

  constructor(claims: Claims) {
    this.claims = claims;
  }

  /** Adds a link on which the client receives replies. @returns what removes it again. */
  addReplyLink(link: SenderLink): () => void {
    const { source, target } = link.remote.attach ?? {};
    // A client names its reply link by the target of the link, or by the name of the link itself.
    const names = [addressOf(target), link.name];
    const entry = { link, names, node: nodeOf(addressOf(source)) };
    this.#replyLinks.add(entry);
    return () => void this.#replyLinks.delete(entry);
  }

  /**
   * Where the reply to a request goes: to the link it names, else to one that receives from the node it was sent to,
   * which is all that clients by uAMQP say. The newest wins, and one in the session of the request before any other.
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

/** What happens when a link, its session or its connection ends: called once. */
export interface LinkEnd {
  (): void;
}

export interface LinkRegistry {
  /** Has `end` called when the link is gone, however that comes about; there may be several. */
  onEnd(link: ReceiverLink | SenderLink, end: LinkEnd): void;
  stateOf(connection: Connection): ConnectionState;
}

/**
 * Ends a link after its attach was answered: the SDK only reads the error of a detach. A client that goes away first
 * needs none.
 */
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

/** Bounds of the AMQP front. */
export const WIRE_LIMITS = {
  /** The service's frame size. */
  frameBytes: 65_536,
  /** One message, batch or request, unless said otherwise: what the Standard tier takes, which is what we deploy. */
  messageBytes: 262_144,
  /** Unsettled deliveries in one AMQP session, per direction. */
  sessionDeliveries: 16_384,
  /**
   * Messages a client may have on the way on one link. The SDK sleeps a full second when it runs out, so this is well
   * above what it sends at once; topped up at half.
   */
  senderCredit: 5_000,
  managementCredit: 500,
  /** The SDK sends a heartbeat in time for this. */
  idleTimeoutMs: 240_000,
  /** Connections at a time; a further one is closed unheard. Azure takes 1,000 (Basic, Standard) or 5,000. */
  connections: 5_000,
  /** A connection must be open by then, from the first byte of TCP to AMQP's open. The SDK takes milliseconds. */
  openTimeoutMs: 15_000,
  /** An open connection must have brought a token that counts by then, or it is ended, as in Azure. */
  tokenTimeoutMs: 60_000,
  /** The smallest a batched management request may ask for, and the largest it gets. */
  peekCount: 1_000,
  /** Messages that one request may delete. https://learn.microsoft.com/azure/service-bus-messaging/batch-delete */
  deleteCount: 4_000,
} as const;
