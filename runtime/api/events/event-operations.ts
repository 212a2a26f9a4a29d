/** Operations that follow events: the stream, and tickets for it. */
import { invalidField } from "../../core/errors.ts";
import { systemEventSchema } from "../../core/events.ts";
import {
  eventTicketSchema,
  followEventsSchema,
  followHeadersSchema,
  ticketRequestSchema,
  type SubjectFields,
} from "../../core/event-api.ts";
import type { Caller } from "../caller.ts";
import type { Lookup } from "../lookup.ts";
import { operation, type Operation } from "../operation.ts";
import { jsonBody } from "../request-body.ts";
import { EVENTS_PATH } from "./accept-tickets.ts";
import { openEventStream, type EventStreamDeps } from "./event-stream.ts";
import type { Subject } from "./fan-out.ts";
import { createResolveSubject } from "./resolve-subject.ts";
import type { Ticket, Tickets } from "./tickets.ts";

export interface EventOperationDeps extends EventStreamDeps {
  readonly lookup: Lookup;
  readonly tickets: Tickets;
}

const NOT_FOUND = ["JobNotFound", "BatchNotFound", "TenantNotFound"] as const;

export function eventOperations(deps: EventOperationDeps): readonly Operation[] {
  const { tickets } = deps;
  const resolve = createResolveSubject(deps.lookup);

  const follow = operation({
    id: "followEvents",
    method: "get",
    path: EVENTS_PATH,
    tag: "Events",
    summary: "Follow events",
    description:
      "Server-Sent Events: each has the event's type as `event`, the event as `data` and an `id` to go on after. Give " +
      "exactly one of `jobId`, `batchId`, `tenantName`, or a `ticket`. With `Last-Event-ID` the stream begins after that " +
      "event; when it is no longer kept, or events were lost on their way, `event: missed` says that what is followed " +
      "should be read again. Events may come twice: pass over one whose `sequence` is not greater than the last. A " +
      "client that reads too slowly is cut off, and one whose grant is taken away or whose token ends.",
    needs: "read",
    query: followEventsSchema,
    headers: followHeadersSchema,
    responses: { 200: { description: "The events, until the client leaves.", events: systemEventSchema } },
    errors: NOT_FOUND,
    async handle({ caller, query: { ticket, ...fields }, headers }) {
      let subject: Subject;
      if (ticket === undefined) {
        subject = subjectOf(fields);
      } else {
        if (Object.keys(fields).length > 0)
          throw invalidField("ticket", "says what is followed; give nothing beside it");
        ({ subject } = await tickets.read(ticket));
      }
      // Also with a ticket: what it was given for may have been taken away since.
      await resolve(caller, subject);
      const lastEventId = headers["last-event-id"];
      return { status: 200, events: openEventStream({ caller, subject, lastEventId }, deps) };
    },
  });

  const issue = operation({
    id: "createEventTicket",
    method: "post",
    path: `${EVENTS_PATH}/tickets`,
    tag: "Events",
    summary: "Get a ticket for an event stream",
    description:
      'For a browser\'s `EventSource`, which sends no token: `new EventSource("/v1/events?ticket=…")`. A ticket opens ' +
      "streams of what it was asked for, within a minute.",
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

  return [follow, issue];
}

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
