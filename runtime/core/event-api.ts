/** Requests and answers of the operations that follow events. */
import * as z from "zod";
import { tenantName } from "./requests.ts";

const ID_MAX_LENGTH = 200;
const TICKET_MAX_LENGTH = 1_000;
const EVENT_ID_MAX_LENGTH = 400;

const subjectFields = {
  jobId: z.string().max(ID_MAX_LENGTH).optional().meta({ description: "A job." }),
  batchId: z.string().max(ID_MAX_LENGTH).optional().meta({ description: "A batch and all its jobs." }),
  tenantName: tenantName.optional().meta({ description: "Everything of a tenant." }),
};

export const ticketRequestSchema = z
  .strictObject(subjectFields)
  .meta({ id: "EventTicketRequest", description: "What to follow: exactly one." });

export type SubjectFields = Readonly<z.infer<typeof ticketRequestSchema>>;

export const followEventsSchema = z.strictObject({
  ...subjectFields,
  ticket: z.string().max(TICKET_MAX_LENGTH).optional().meta({ description: "In place of a token and of the others." }),
});

export const followHeadersSchema = z.object({
  "last-event-id": z
    .string()
    .max(EVENT_ID_MAX_LENGTH)
    .optional()
    .meta({ description: "The last event the client has; browsers send it by themselves." }),
});

export const eventTicketSchema = z
  .object({ ticket: z.string(), expiresAt: z.iso.datetime() })
  .meta({ id: "EventTicket", description: "Opens event streams for a minute." });
