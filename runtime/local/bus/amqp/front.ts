/** What the parts of the AMQP front share. */
import type { AuditListener } from "../access/audit.ts";
import type { Claims } from "../access/claims.ts";
import type { Gate } from "../access/gate.ts";
import type { BrokerHost } from "../host.ts";
import type { AmqpError, Connection, ReceiverLink, SenderLink } from "./rhea.ts";

export interface AmqpDeps {
  readonly host: BrokerHost;
  readonly gate: Gate;
  /** Told of decisions about tokens and rights. */
  readonly audit: AuditListener;
  readonly now: () => number;
  /** Told of what should never happen; the connection it happened on has been closed. */
  readonly onFault: (error: unknown) => void;
}

/** What one connection has proved and where its replies go. */
export class ConnectionState {
  readonly claims: Claims;
  /** Links on which the client receives replies, by the address it put into `reply-to`. */
  readonly replyLinks = new Map<string, SenderLink>();

  constructor(claims: Claims) {
    this.claims = claims;
  }
}

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
