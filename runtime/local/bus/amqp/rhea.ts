/**
 * The parts of rhea (the AMQP 1.0 library) that the server uses, with types. `rhea-emulator` is an npm alias of the
 * release that the Azure SDK depends on. It is a copy of its own, so that our changes to it never affect a client in the
 * same process.
 */
import { createRequire } from "node:module";
import type { Server, Socket } from "node:net";

/** A value with an explicit AMQP type, as rhea's `wrap_…` functions make it and its decoder returns it. */
export interface Typed {
  readonly type: unknown;
  readonly value: unknown;
  readonly descriptor?: { readonly value: unknown };
}

export interface RheaTypes {
  readonly Reader: { readonly prototype: RheaReader; new (buffer: Buffer): RheaReader };
  readonly Writer: new () => { write(value: unknown): void; toBuffer(): Buffer };
  wrap(value: unknown): Typed;
  wrap_array(items: readonly unknown[], code: number): Typed;
  wrap_int(value: number): Typed;
  wrap_list(items: readonly unknown[]): Typed;
  wrap_long(value: Buffer | number): Typed;
  wrap_map(value: object): Typed;
  wrap_string(value: string): Typed;
  wrap_symbol(value: string): Typed;
  wrap_timestamp(value: number): Typed;
  wrap_ulong(value: number): Typed;
  wrap_uuid(value: Buffer): Typed;
  described(descriptor: Typed, value: Typed): Typed;
}

export interface RheaReader {
  readonly buffer: Buffer;
  readonly position: number;
  read_size_count(width: number): { readonly size: number; readonly count: number };
  read(): unknown;
  remaining(): number;
}

/** A decoded message: properties in snake case, as rhea names them. */
export interface DecodedMessage {
  readonly message_id?: unknown;
  readonly reply_to?: unknown;
  readonly application_properties?: Readonly<Record<string, unknown>>;
  readonly message_annotations?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly [property: string]: unknown;
}

/** The state that ends a delivery, ready to be written. */
export type Outcome = object;

export interface RheaMessage {
  encode(message: object): Buffer;
  decode(buffer: Buffer): DecodedMessage;
  unwrap_outcome(outcome: unknown): unknown;
  accepted(): { described(): Outcome };
  rejected(fields: { error: AmqpError }): { described(): Outcome };
}

export interface AmqpError {
  readonly condition: string;
  readonly description: string;
}

/** The target of a link on which a client controls transactions. */
export interface Coordinator {
  readonly coordinator: true;
}

export interface Attach {
  readonly source?: { readonly address?: unknown; readonly filter?: unknown; readonly dynamic?: boolean };
  readonly target?: { readonly address?: unknown; readonly dynamic?: boolean } | Coordinator;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly snd_settle_mode?: number;
  readonly rcv_settle_mode?: number;
}

/** What both kinds of link have in common. */
interface Link {
  readonly name: string;
  readonly connection: Connection;
  readonly session: Session;
  readonly remote: { readonly attach?: Attach };
  readonly local: {
    readonly attach: {
      max_message_size?: number;
      snd_settle_mode?: number | undefined;
      rcv_settle_mode?: number | undefined;
      properties?: object;
    };
  };
  credit: number;
  delivery_count: number;
  set_source(fields: object): void;
  set_target(fields: object): void;
  open(): void;
  close(error?: AmqpError): void;
  is_open(): boolean;
  is_closed(): boolean;
  is_receiver(): boolean;
  on(event: string, handler: (context: EventContext) => void): void;
}

/** Our end of a link on which the client sends. */
export interface ReceiverLink extends Link {
  /** The delivery whose frames are still coming. */
  _incomplete?: RheaDelivery | undefined;
  add_credit(credit: number): void;
}

/** Our end of a link on which the client receives. */
export interface SenderLink extends Link {
  readonly state: { local_open: boolean; open_requests: number };
  _draining: boolean;
  _drained: boolean;
  _get_drain: () => boolean;
  send(message: Buffer, tag: Buffer | undefined, format: number): RheaDelivery;
  set_drained(drained: boolean): void;
}

export interface RheaDelivery {
  readonly id: number;
  readonly format: number;
  readonly remote_state?: {
    readonly undeliverable_here?: boolean;
    readonly message_annotations?: unknown;
    readonly error?: { readonly condition?: unknown; readonly info?: unknown };
  };
  settled: boolean;
  remote_settled: boolean;
  update(settled: boolean, state: Outcome): void;
}

export interface Session {
  /** Writes a frame at once, before the frames that are collected for the end of the turn. */
  output(frame: object): void;
  readonly outgoing: { available(): number };
  readonly incoming: { next_transfer_id: number };
  each_link(action: (link: ReceiverLink | SenderLink) => void): void;
}

export interface Connection {
  _register(): void;
  readonly remote: { readonly open?: { readonly hostname?: unknown } };
  readonly socket: Socket;
  readonly sasl_transport?: { readonly selected?: { readonly mechanism?: object } };
  close(error?: AmqpError): void;
  each_link(action: (link: ReceiverLink | SenderLink) => void): void;
}

export interface EventContext {
  readonly connection: Connection;
  readonly session: Session;
  readonly receiver?: ReceiverLink;
  readonly sender?: SenderLink;
  readonly delivery?: RheaDelivery;
  readonly message?: Buffer;
  readonly error?: unknown;
}

export interface Container {
  readonly sasl_server_mechanisms: {
    enable_anonymous(): void;
    ANONYMOUS?: unknown;
    MSSBCBS?: unknown;
    PLAIN?: unknown;
  };
  on(event: string, handler: (context: EventContext) => void): void;
  listen(options: object): Server;
}

/** Internals of the library that `rhea-hardening.ts` limits. */
export interface RheaInternals {
  readonly Session: { readonly prototype: SessionPrototype };
  readonly Transport: { readonly prototype: { peek_size(buffer: Buffer): number | undefined } };
}

export interface SessionPrototype {
  on_disposition(frame: { readonly performative: { readonly first: number; readonly last?: number } }): void;
  on_transfer(this: TransferSession, frame: TransferFrame): void;
}

export interface TransferSession {
  readonly _get_link: (frame: TransferFrame) => ReceiverLink;
}

export interface TransferFrame {
  readonly performative: { more?: boolean; readonly aborted?: boolean };
  payload?: Buffer;
}

const require = createRequire(import.meta.url);
const load = (path: string): unknown => require(path);

const library = load("rhea-emulator") as { create_container(options: { id: string }): Container };
const message = load("rhea-emulator/lib/message.js") as RheaMessage;
export const types = load("rhea-emulator/lib/types.js") as RheaTypes;
export const internals: RheaInternals = {
  Session: load("rhea-emulator/lib/session.js") as RheaInternals["Session"],
  Transport: load("rhea-emulator/lib/transport.js") as RheaInternals["Transport"],
};

/** The library's own decoder. */
export const decodeMessage = message.decode.bind(message);
export const encodeMessage = message.encode.bind(message);
export const createContainer = (id: string): Container => library.create_container({ id });

const frames = load("rhea-emulator/lib/frames.js") as { disposition(fields: object): object };

/**
 * Ends a delivery with an outcome. rhea writes the outcomes of consecutive deliveries as one range, and does not notice
 * when the second differs from the first: a rejection after an acceptance would reach the client as an acceptance. So
 * only acceptances go through rhea.
 */
export function settleDelivery(link: ReceiverLink | SenderLink, delivery: RheaDelivery, outcome: Outcome): void {
  if (outcome === ACCEPTED) delivery.update(true, outcome);
  else settleAtOnce(link, delivery, outcome);
}

/** Ends a delivery. The frame is written before all others of this turn. */
export function settleAtOnce(link: ReceiverLink | SenderLink, delivery: RheaDelivery, outcome: Outcome): void {
  delivery.settled = true;
  const role = link.is_receiver();
  link.session.output(
    frames.disposition({ role, first: delivery.id, last: delivery.id, settled: true, state: outcome }),
  );
  // Makes rhea drop the delivery from its buffer at the end of the turn.
  link.connection._register();
}

export const ACCEPTED: Outcome = message.accepted().described();
export const rejected = (error: AmqpError): Outcome => message.rejected({ error }).described();

/** rhea does not know coordinators. It would print a warning and return null. */
const COORDINATOR = new Set<unknown>([0x30, "amqp:coordinator:list"]);

interface RheaTerminus {
  unwrap(field: Typed | null): unknown;
}

const terminus = load("rhea-emulator/lib/terminus.js") as RheaTerminus;
const unwrapTerminus = terminus.unwrap.bind(terminus);
terminus.unwrap = (field) =>
  COORDINATOR.has(field?.descriptor?.value) ? ({ coordinator: true } satisfies Coordinator) : unwrapTerminus(field);

/** A disposition may settle without an outcome. rhea would print that as an error. */
const unwrapOutcome = message.unwrap_outcome.bind(message);
message.unwrap_outcome = (outcome) => (outcome ? unwrapOutcome(outcome) : undefined);

/** rhea would decode every message. The broker needs the bytes, and encodes only what it changes. */
(message as { decode: unknown }).decode = (buffer: Buffer): Buffer => buffer;
