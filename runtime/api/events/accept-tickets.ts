/** Lets a ticket stand for a token where events are followed, and nowhere else. */
import type { Request } from "express";
import type { Caller, Identify } from "../caller.ts";
import { setCaller } from "../caller.ts";
import type { Tickets } from "./tickets.ts";

export const EVENTS_PATH = "/v1/events";

/** Who comes with a ticket may open the stream it names; nothing else is asked of this caller. */
const bearerOf = (caller: string): Caller => ({
  name: caller,
  mayUse: () => false,
  mayOperate: () => false,
  tenants: () => [],
});

export const acceptTickets =
  (identify: Identify, tickets: Tickets): Identify =>
  (needs) => {
    const byToken = identify(needs);
    return async (request, response, next) => {
      const ticket = ticketOf(request);
      if (ticket === undefined) {
        await byToken(request, response, next);
        return;
      }
      setCaller(response, bearerOf((await tickets.read(ticket)).caller));
      next();
    };
  };

function ticketOf({ method, path, query }: Request): string | undefined {
  const { ticket } = query;
  return method === "GET" && path === EVENTS_PATH && typeof ticket === "string" ? ticket : undefined;
}
