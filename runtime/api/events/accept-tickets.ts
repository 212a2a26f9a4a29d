/** Lets a ticket stand for the token it was given for, where events are followed and nowhere else. */
import type { Request } from "express";
import { presentBearer, type Identify } from "../caller.ts";
import type { Tickets } from "./tickets.ts";

export const EVENTS_PATH = "/v1/events";

export const acceptTickets =
  (identify: Identify, tickets: Tickets): Identify =>
  (needs) => {
    const byToken = identify(needs);
    return async (request, response, next) => {
      const ticket = ticketOf(request);
      const { bearer } = ticket === undefined ? {} : await tickets.read(ticket);
      if (bearer !== undefined) presentBearer(response, { ...bearer, name: bearer.principalId });
      await byToken(request, response, next);
    };
  };

function ticketOf({ method, path, query }: Request): string | undefined {
  const { ticket } = query;
  return method === "GET" && path === EVENTS_PATH && typeof ticket === "string" ? ticket : undefined;
}
