/**
 * Tickets for event streams. A browser's EventSource cannot send a header, and a token in an address would be logged. A
 * ticket opens streams of one subject, for a minute, while the rights of its token last. It is signed and not stored: every
 * instance with the same key accepts it.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Request } from "express";
import * as z from "zod";
import { UnauthenticatedError } from "../../core/errors.ts";
import { APP_ROLES } from "../../core/http/access.ts";
import { EVENT_TICKET_MS } from "../../core/limits.ts";
import { type Bearer, type Identify, presentBearer } from "../auth/caller.ts";
import type { Subject } from "./fan-out.ts";
import type { Clock } from "../../core/clock.ts";

export interface Ticket {
  readonly subject: Subject;
  /** From the token it was issued for. Checked again when the ticket is used. Absent without authentication. */
  readonly bearer?: Omit<Bearer, "name"> | undefined;
}

export interface Tickets {
  issue(ticket: Ticket): Promise<{ readonly ticket: string; readonly expiresAt: Date }>;
  /** Throws UnauthenticatedError for a ticket that was not issued here or has expired. */
  read(text: string): Promise<Ticket>;
}

export interface TicketsDeps {
  /** The same for all instances. Throws UnavailableError. */
  readonly key: () => Promise<Uint8Array>;
  readonly now: Clock["now"];
}

const CONTENT = z.strictObject({
  subject: z.strictObject({ kind: z.enum(["job", "batch", "tenant"]), id: z.string() }),
  bearer: z
    .strictObject({
      kind: z.enum(["user", "application"]),
      principalId: z.string(),
      roles: z.array(z.enum(APP_ROLES)),
      expiresAt: z.number(),
    })
    .optional(),
  expiresAt: z.number(),
});

export function createTickets({ key, now }: TicketsDeps): Tickets {
  const sign = async (content: string): Promise<Buffer> =>
    createHmac("sha256", await key())
      .update(`event-ticket.${content}`)
      .digest();

  return {
    async issue({ subject, bearer }) {
      const expiresAt = new Date(Math.min(now().getTime() + EVENT_TICKET_MS, bearer?.expiresAt ?? Infinity));
      const content = Buffer.from(JSON.stringify({ subject, bearer, expiresAt: expiresAt.getTime() }));
      const text = content.toString("base64url");
      return { ticket: `${text}.${(await sign(text)).toString("base64url")}`, expiresAt };
    },
    async read(text) {
      const [content = "", signature = ""] = text.split(".");
      const given = Buffer.from(signature, "base64url");
      const expected = await sign(content);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw new UnauthenticatedError("The ticket was not issued here.");
      }
      const { expiresAt, ...ticket } = CONTENT.parse(JSON.parse(Buffer.from(content, "base64url").toString()));
      if (expiresAt <= now().getTime()) throw new UnauthenticatedError("The ticket has expired. Request a new one.");
      return ticket;
    },
  };
}

export const EVENTS_PATH = "/v1/events";

/** Accepts a ticket instead of the token it was issued for, on the path of event streams only. */
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
