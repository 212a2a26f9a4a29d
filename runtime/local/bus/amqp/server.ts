/** The AMQP front: it listens, and gives each link of a client to the part that serves its address. */
import type { AddressInfo, Server, Socket } from "node:net";
import { limitSockets } from "../network.ts";
import { Claims, connectionAudit, watchClaim } from "../access/claims.ts";
import type { Right } from "../access/rights.ts";
import { BusError } from "../engine/errors.ts";
import { toAmqpError } from "./amqp-errors.ts";
import { tokenService } from "./cbs.ts";
import { EgressLink, openIngress } from "./entity-links.ts";
import {
  type AmqpDeps,
  CBS_ADDRESS,
  ConnectionState,
  type LinkEnd,
  type LinkRegistry,
  WIRE_LIMITS,
  addressOf,
  entityPath,
  isManagement,
  refuse,
  withoutManagement,
} from "./front.ts";
import { type ConnectionLimits, answerQuickly, corkSocket, endSilent, refusePlain } from "./connection.ts";
import { handleManagement, managementRefusal } from "./management/operations.ts";
import { openRequests } from "./request-link.ts";
import { createContainer, type Connection, type Container, type ReceiverLink, type SenderLink } from "./rhea.ts";
import { hardenRhea } from "./rhea-hardening.ts";
import { openSession, wantsSession } from "./session-link.ts";

export interface AmqpServerOptions extends AmqpDeps {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly limits?: ConnectionLimits | undefined;
}

export interface AmqpServer {
  readonly port: number;
  /** Ends all connections and stops listening. */
  close(): Promise<void>;
}

export async function startAmqpServer(options: AmqpServerOptions): Promise<AmqpServer> {
  hardenRhea();
  const front = new AmqpFront(options);
  const server = front.container.listen({
    port: options.port,
    host: options.address,
    tcp_no_delay: true,
    idle_time_out: WIRE_LIMITS.idleTimeoutMs,
    max_frame_size: WIRE_LIMITS.frameBytes,
    channel_max: 65_535,
    session_buffer_size: { incoming: WIRE_LIMITS.sessionDeliveries, outgoing: WIRE_LIMITS.sessionDeliveries },
    receiver_options: { autoaccept: false, credit_window: 0 },
    sender_options: { autosettle: false, treat_modified_as_released: false },
  });
  limitSockets(server, { maxCount: WIRE_LIMITS.connections, lingerMs: options.limits?.lingerMs });
  endSilent(server, front.container, {
    limits: options.limits,
    isProved: (connection) => front.stateOf(connection).claims.isProved,
  });
  const sockets = trackSockets(server);
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve).once("error", reject);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function trackSockets(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    corkSocket(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      // rhea stops its timers and emits `disconnected` only when it sees the peer's end.
      if (!socket.readableEnded) socket.emit("end");
    });
  });
  return sockets;
}

class AmqpFront implements LinkRegistry {
  readonly container: Container;
  readonly #deps: AmqpServerOptions;
  readonly #states = new WeakMap<Connection, ConnectionState>();
  readonly #ends = new WeakMap<ReceiverLink | SenderLink, LinkEnd[]>();

  constructor(deps: AmqpServerOptions) {
    this.#deps = deps;
    this.container = createContainer("local-service-bus");
    const mechanisms = this.container.sasl_server_mechanisms;
    mechanisms.enable_anonymous();
    // The SDK sends its token to $cbs. What it sends in SASL does not matter.
    mechanisms.MSSBCBS = mechanisms.ANONYMOUS;
    refusePlain(this.container);
    this.#listenToContainer();
  }

  stateOf(connection: Connection): ConnectionState {
    let state = this.#states.get(connection);
    if (!state) {
      const { now, audit, address } = this.#deps;
      const claims = new Claims({ now, audit: connectionAudit(audit), namespace: `sb://${address}` });
      state = new ConnectionState(claims);
      this.#states.set(connection, state);
    }
    return state;
  }

  onEnd(link: ReceiverLink | SenderLink, end: LinkEnd): void {
    this.#ends.set(link, [...(this.#ends.get(link) ?? []), end]);
  }

  #listenToContainer(): void {
    const { container } = this;
    container.on("connection_open", ({ connection }) =>
      answerQuickly(connection.socket, () => this.#deps.host.resultsPending),
    );
    container.on("receiver_open", ({ receiver, connection }) => receiver && this.#openReceiver(receiver, connection));
    container.on("sender_open", ({ sender, connection }) => sender && this.#openSender(sender, connection));
    container.on("sender_close", ({ sender }) => sender && this.#end(sender));
    container.on("receiver_close", ({ receiver }) => receiver && this.#end(receiver));
    container.on("session_close", ({ session }) => session.each_link((link) => this.#end(link)));
    container.on("connection_close", ({ connection }) => connection.each_link((link) => this.#end(link)));
    container.on("disconnected", ({ connection }) => connection.each_link((link) => this.#end(link)));
    // rhea throws for each of these events that has no listener. The peer caused them, and rhea already ends the
    // connection.
    for (const event of [
      "connection_error",
      "session_error",
      "sender_error",
      "receiver_error",
      "protocol_error",
      "error",
    ]) {
      container.on(event, () => undefined);
    }
    for (const event of ["sender_flow", "settled", "message"]) container.on(event, () => undefined);
  }

  #end(link: ReceiverLink | SenderLink): void {
    const ends = this.#ends.get(link) ?? [];
    this.#ends.delete(link);
    for (const end of ends) end();
  }

  /** The client sends messages to an entity, or requests. */
  #openReceiver(receiver: ReceiverLink, connection: Connection): void {
    const { source, target } = receiver.remote.attach ?? {};
    const targetAddress = addressOf(target);
    const path = entityPath(targetAddress);
    const state = this.stateOf(connection);
    receiver.set_target({ address: targetAddress });
    receiver.set_source(source?.address === undefined ? {} : { address: source.address });
    // Without it the SDK would make batches of any size.
    receiver.local.attach.max_message_size = this.#deps.messageBytes;
    if (path.toLowerCase() === CBS_ADDRESS) {
      openRequests(this.#deps, state, receiver, tokenService(this.#deps, state, connection));
      return;
    }
    if (path === "") {
      refuse(receiver, toAmqpError(withoutEntity(target), receiver));
      return;
    }
    // On a management link, the right depends on the operation of each request.
    const right = isManagement(path) ? undefined : "send";
    this.#whenAllowed({ link: receiver, state, path, right }, (watch) => {
      const entity = withoutManagement(path);
      this.#deps.host.execute((broker) => broker.checkExists(entity));
      if (isManagement(path)) {
        const demand = (needed: Right): unknown => state.claims.demand(path, needed);
        openRequests(this.#deps, state, receiver, {
          handle: (request) => handleManagement(this.#deps, { entity, demand, connection }, request),
          refusal: (error) => managementRefusal(error, connection),
        });
      } else {
        openIngress(this.#deps, receiver, path);
      }
      watch();
    });
  }

  /** The client receives from an entity, from a session, or replies. */
  #openSender(sender: SenderLink, connection: Connection): void {
    const { source, target, snd_settle_mode, rcv_settle_mode } = sender.remote.attach ?? {};
    const path = entityPath(source?.address);
    const state = this.stateOf(connection);
    sender.set_source({ address: source?.address });
    const targetAddress = addressOf(target);
    sender.set_target(targetAddress === undefined ? {} : { address: targetAddress });
    if (path.toLowerCase() === CBS_ADDRESS || isManagement(path)) {
      this.#openReplies(sender, state);
      return;
    }
    if (path === "") {
      refuse(sender, toAmqpError(withoutEntity(source), sender));
      return;
    }
    sender.local.attach.snd_settle_mode = snd_settle_mode;
    sender.local.attach.rcv_settle_mode = rcv_settle_mode;
    this.#whenAllowed({ link: sender, state, path, right: "listen" }, (watch) => {
      if (wantsSession(sender)) {
        openSession(this.#deps, this, { link: sender, path, onOpen: watch });
        return;
      }
      this.#openEgress(sender, path);
      watch();
    });
  }

  #openEgress(sender: SenderLink, path: string): void {
    const { host } = this.#deps;
    const receiver = new EgressLink(this.#deps, sender, path);
    host.execute((broker) => broker.attachReceiver(path, receiver));
    this.onEnd(sender, () => host.execute((broker) => broker.detachReceiver(path, receiver)));
  }

  /** Replies are sent settled. */
  #openReplies(sender: SenderLink, state: ConnectionState): void {
    sender.local.attach.snd_settle_mode = 1;
    this.onEnd(sender, state.addReplyLink(sender));
    for (const event of ["sender_flow", "settled", "sendable"]) sender.on(event, () => undefined);
  }

  /** Opens a link if the client has the right. `watch` ends the link when the right ends. */
  #whenAllowed({ link, state, path, right }: WantedLink, open: (watch: () => void) => void): void {
    const { now, onFault } = this.#deps;
    const { claims } = state;
    try {
      const until = claims.demand(path, right);
      open(() => {
        const onLost = (error: unknown): void => {
          // First, so that its session is free at once and it gets no more messages.
          this.#end(link);
          refuse(link, toAmqpError(error, link));
        };
        this.onEnd(link, watchClaim({ claims, path, right, until, now, onLost }));
      });
    } catch (error) {
      if (!(error instanceof BusError)) onFault(error);
      refuse(link, toAmqpError(error, link));
    }
  }
}

/** The error for a link that names no entity. */
function withoutEntity(terminus: object | null | undefined): BusError {
  if (terminus && "coordinator" in terminus) {
    return new BusError("not-implemented", "The local Service Bus does not support transactions.");
  }
  if (terminus && "dynamic" in terminus && terminus.dynamic === true) {
    return new BusError("not-implemented", "The local Service Bus does not support dynamic nodes: name an entity.");
  }
  return new BusError("invalid-argument", "The link names no entity.");
}

interface WantedLink {
  readonly link: ReceiverLink | SenderLink;
  readonly state: ConnectionState;
  readonly path: string;
  /** Undefined: a token for the path is enough. */
  readonly right: Right | undefined;
}
