/** What the parts of the AMQP front share. */
import type { BrokerHost } from "../host.ts";
import { covers, type SasKey } from "./sas.ts";
import type { AmqpError, Connection, ReceiverLink, SenderLink } from "./rhea.ts";

export interface AmqpDeps {
  readonly host: BrokerHost;
  readonly sasKey: SasKey;
  readonly now: () => number;
  /** Told of what should never happen; the connection it happened on has been closed. */
  readonly onFault: (error: unknown) => void;
}

/** What one connection has proved and where its replies go. */
export class ConnectionState {
  readonly #granted = new Set<string>();
  /** Links on which the client receives replies, by the address it put into `reply-to`. */
  readonly replyLinks = new Map<string, SenderLink>();

  grant(path: string): void {
    this.#granted.add(path);
  }

  allows(path: string): boolean {
    for (const granted of this.#granted) if (covers(granted, path)) return true;
    return false;
  }
}

/** What happens when a link, its session or its connection ends: called once. */
export interface LinkEnd {
  (): void;
}

export interface LinkRegistry {
  /** Has `end` called when the link is gone, however that comes about. */
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
