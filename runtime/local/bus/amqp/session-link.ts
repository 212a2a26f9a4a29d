/** Accepts a session. The attach is answered only when a session is locked for the client. */
import type { SessionWaiter } from "../engine/store/receivers.ts";
import { toAmqpError } from "./amqp-errors.ts";
import { EgressLink } from "./entity-links.ts";
import { refuse, type AmqpDeps, type LinkRegistry } from "./front.ts";
import { int64, plainInteger, unwrap } from "./values.ts";
import { types, type SenderLink } from "./rhea.ts";

const SESSION_FILTER = "com.microsoft:session-filter";
const TIMEOUT_PROPERTY = "com.microsoft:timeout";
const LOCKED_UNTIL_PROPERTY = "com.microsoft:locked-until-utc";

const DEFAULT_WAIT_MS = 60_000;
/** Our answer must arrive before the client gives up at its own timeout. */
const ANSWER_MARGIN_MS = 100;

/** .NET counts ticks of 100 ns since the year 1. */
const UNIX_EPOCH_TICKS = 621_355_968_000_000_000n;
const toTicks = (instant: number): number => Number(BigInt(instant) * 10_000n + UNIX_EPOCH_TICKS);

export interface SessionAttach {
  readonly link: SenderLink;
  readonly path: string;
  /** Called when the client has its session. */
  readonly onOpen: () => void;
}

export function openSession(deps: AmqpDeps, registry: LinkRegistry, { link, path, onOpen }: SessionAttach): void {
  const wanted = sessionFilter(link);
  const hold = holdAttach(link);
  const receiver = new EgressLink(deps, link, path);
  const timer = setTimeout(() => {
    deps.host.execute((broker) => broker.detachReceiver(path, receiver));
    answer(link, undefined, hold);
    refuse(link, {
      condition: "com.microsoft:timeout",
      description: "The operation did not complete within the allotted timeout. No session was available.",
    });
  }, waitMs(link));
  registry.onEnd(link, () => {
    clearTimeout(timer);
    deps.host.execute((broker) => broker.detachReceiver(path, receiver));
  });
  const waiter: SessionWaiter = {
    sessionId: wanted,
    receiver,
    granted: (sessionId, lockedUntil) => {
      clearTimeout(timer);
      deps.host.whenDurable(() => {
        link.local.attach.properties = { [LOCKED_UNTIL_PROPERTY]: types.wrap_long(int64(toTicks(lockedUntil))) };
        answer(link, sessionId, hold);
        onOpen();
      });
    },
  };
  try {
    deps.host.execute((broker) => broker.acceptSession(path, waiter));
  } catch (error) {
    clearTimeout(timer);
    answer(link, undefined, hold);
    refuse(link, toAmqpError(error, link));
  }
}

/** The id of the wanted session; undefined for the next one that is free. */
function sessionFilter(link: SenderLink): string | undefined {
  const value = unwrap((link.remote.attach?.source?.filter as Record<string, unknown> | undefined)?.[SESSION_FILTER]);
  return typeof value === "string" ? value : undefined;
}

export const wantsSession = (link: SenderLink): boolean => {
  const filter = link.remote.attach?.source?.filter;
  return typeof filter === "object" && filter !== null && SESSION_FILTER in filter;
};

function waitMs(link: SenderLink): number {
  const asked = plainInteger(link.remote.attach?.properties?.[TIMEOUT_PROPERTY]) ?? DEFAULT_WAIT_MS;
  return Math.min(Math.max(0, asked - ANSWER_MARGIN_MS), 2_000_000_000);
}

interface HeldAttach {
  held: boolean;
}

/** rhea marks its answer for writing before it calls us. This removes the mark. */
function holdAttach(link: SenderLink): HeldAttach {
  link.state.local_open = false;
  link.state.open_requests--;
  return { held: true };
}

function answer(link: SenderLink, sessionId: string | undefined, attach: HeldAttach): void {
  if (!attach.held || link.is_closed()) return;
  attach.held = false;
  // Clients that use uAMQP compare it with the address that they sent.
  const address = link.remote.attach?.source?.address;
  link.set_source({ address, filter: sessionId === undefined ? {} : { [SESSION_FILTER]: sessionId } });
  link.open();
}
