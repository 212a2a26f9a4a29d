/** Operations that follow events: the stream, and tickets for it. */
import * as z from "zod";
import { invalidField } from "../../core/errors.ts";
import { tenantName } from "../../core/http/requests.ts";
import { systemEventSchema } from "../../core/job/events.ts";
import type { Caller } from "../auth/caller.ts";
import { type EventStreamDeps, openEventStream } from "../events/event-stream.ts";
import type { Subject } from "../events/fan-out.ts";
import { createResolveSubject } from "../events/resolve-subject.ts";
import { EVENTS_PATH, type Ticket, type Tickets } from "../events/tickets.ts";
import { type Operation, operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";
import type { Lookup } from "../lookup.ts";

export interface EventOperationDeps extends EventStreamDeps {
  readonly lookup: Lookup;
  readonly tickets: Tickets;
}

const NOT_FOUND = ["JobNotFound", "BatchNotFound", "TenantNotFound"] as const;

export const eventOperations = (deps: EventOperationDeps): readonly Operation[] => [
  followEvents(deps),
  createEventTicket(deps),
];

const ID_MAX_LENGTH = 200;
const TICKET_MAX_LENGTH = 1_000;
const EVENT_ID_MAX_LENGTH = 400;

const subjectFields = {
  jobId: z.string().max(ID_MAX_LENGTH).optional().meta({ description: "A job." }),
  batchId: z.string().max(ID_MAX_LENGTH).optional().meta({ description: "A batch and all its jobs." }),
  tenantName: tenantName.optional().meta({ description: "All jobs and batches of a tenant." }),
};

export const ticketRequestSchema = z
  .strictObject(subjectFields)
  .meta({ id: "EventTicketRequest", description: "What to follow. Give exactly one field." });

export type SubjectFields = Readonly<z.infer<typeof ticketRequestSchema>>;

const followEventsSchema = z.strictObject({
  ...subjectFields,
  ticket: z
    .string()
    .max(TICKET_MAX_LENGTH)
    .optional()
    .meta({ description: "Instead of a token and the other fields." }),
});

const followHeadersSchema = z.object({
  "last-event-id": z
    .string()
    .max(EVENT_ID_MAX_LENGTH)
    .optional()
    .meta({ description: "The last event the client has. Browsers send it on their own." }),
});

const followEvents = (deps: EventOperationDeps) => {
  const resolve = createResolveSubject(deps.lookup);
  return operation({
    id: "followEvents",
    method: "get",
    path: EVENTS_PATH,
    tag: "Events",
    summary: "Follow events",
    description:
      "Server-Sent Events. Each has the event's type as `event`, the event as `data` and an `id`. Give exactly one of " +
      "`jobId`, `batchId`, `tenantName` or `ticket`. With `Last-Event-ID` the stream begins after that event. " +
      "`event: missed` means that events may have been lost: read what you follow again. Events may come twice: ignore " +
      "one whose `sequence` is not greater than the last. The connection ends when the client reads too slowly, when its " +
      "grant is removed, and when its token expires.",
    needs: "read",
    query: followEventsSchema,
    headers: followHeadersSchema,
    responses: { 200: { description: "The events, until the client disconnects.", events: systemEventSchema } },
    errors: NOT_FOUND,
    async handle({ caller, query: { ticket, ...fields }, headers }) {
      let subject: Subject;
      if (ticket === undefined) {
        subject = subjectOf(fields);
      } else {
        if (Object.keys(fields).length > 0)
          throw invalidField("ticket", "already names what to follow; give no other field");
        ({ subject } = await deps.tickets.read(ticket));
      }
      // Also with a ticket: the grant may have been removed since the ticket was issued.
      await resolve(caller, subject);
      const lastEventId = headers["last-event-id"];
      return { status: 200, events: openEventStream({ caller, subject, lastEventId }, deps) };
    },
  });
};

const eventTicketSchema = z
  .object({ ticket: z.string(), expiresAt: z.iso.datetime() })
  .meta({ id: "EventTicket", description: "Opens event streams for a minute." });

const createEventTicket = ({ lookup, tickets }: EventOperationDeps) => {
  const resolve = createResolveSubject(lookup);
  return operation({
    id: "createEventTicket",
    audit: { none: "It changes nothing." },
    method: "post",
    path: `${EVENTS_PATH}/tickets`,
    tag: "Events",
    summary: "Get a ticket for an event stream",
    description:
      'For a browser\'s `EventSource`, which cannot send a token: `new EventSource("/v1/events?ticket=…")`. A ticket opens ' +
      "streams of the one subject it was issued for, for a minute.",
    needs: "read",
    body: jsonBody(ticketRequestSchema),
    responses: { 201: { description: "The ticket.", schema: eventTicketSchema } },
    errors: NOT_FOUND,
    async handle({ caller, body }) {
      const subject = subjectOf(body);
      await resolve(caller, subject);
      const { ticket, expiresAt } = await tickets.issue({ subject, bearer: bearerOf(caller) });
      return { status: 201, body: { ticket, expiresAt: expiresAt.toISOString() } };
    },
  });
};

function bearerOf({ identity, expiresAt }: Caller): Ticket["bearer"] {
  if (identity === undefined || expiresAt === undefined) return undefined;
  const { kind, principalId, roles } = identity;
  return { kind, principalId, roles, expiresAt };
}

/** Throws InvalidRequestError unless exactly one is named. */
function subjectOf({ jobId, batchId, tenantName }: SubjectFields): Subject {
  const named: Subject[] = [
    ...(jobId === undefined ? [] : [{ kind: "job", id: jobId } as const]),
    ...(batchId === undefined ? [] : [{ kind: "batch", id: batchId } as const]),
    ...(tenantName === undefined ? [] : [{ kind: "tenant", id: tenantName } as const]),
  ];
  const [subject, ...more] = named;
  if (subject === undefined || more.length > 0) {
    throw invalidField("jobId", "give exactly one of jobId, batchId, tenantName");
  }
  return subject;
}
