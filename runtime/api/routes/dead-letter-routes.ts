/** Operations on dead letters: messages that the broker has set aside. */
import { deadLetterParams, listDeadLettersSchema } from "../../core/http/requests.ts";
import { deadLetterViewSchema, pageSchema, pageView } from "../../core/http/views.ts";
import { parseJobId } from "../../core/job/ids.ts";
import type { DeadLetterBrowser } from "../dead-letter-browser.ts";
import { type Operation, operation } from "../http/operation.ts";

export const deadLetterOperations = (deadLetters: DeadLetterBrowser): readonly Operation[] => [
  listDeadLetters(deadLetters),
  removeDeadLetter(deadLetters),
];

const listDeadLetters = (deadLetters: DeadLetterBrowser) =>
  operation({
    id: "listDeadLetters",
    method: "get",
    path: "/v1/dead-letters",
    tag: "Dead letters",
    summary: "List the dead letters of a pool",
    description:
      "Queue by queue, `high` first, oldest first. One request reads a limited number of dead letters, so a page may have " +
      "fewer items than `pageSize`, even none, and still have a `continuationToken`.",
    needs: "read",
    query: listDeadLettersSchema,
    responses: { 200: { description: "A page.", schema: pageSchema("DeadLetterPage", deadLetterViewSchema) } },
    errors: [],
    async handle({ caller, query: { poison, ...query } }) {
      const page = await deadLetters.list(caller, { ...query, poison: poison === "true" });
      return { status: 200, body: pageView(page, (message) => message) };
    },
  });

const removeDeadLetter = (deadLetters: DeadLetterBrowser) =>
  operation({
    id: "removeDeadLetter",
    method: "delete",
    path: "/v1/dead-letters/{queue}/{sequenceNumber}",
    tag: "Dead letters",
    summary: "Remove a dead letter",
    description:
      "Removes a dead letter whose job has ended or does not exist, or that no worker can read. To run a job again, requeue it.",
    needs: "manage",
    params: deadLetterParams,
    responses: { 204: { description: "Removed." } },
    errors: ["DeadLetterNotFound", "JobNotEnded"],
    async handle({ caller, params: { queue, sequenceNumber }, changed }) {
      const { jobId } = await deadLetters.remove(caller, queue, sequenceNumber);
      changed({ tenantName: jobId === undefined ? undefined : parseJobId(jobId)?.tenantName, subject: { jobId } });
      return { status: 204 };
    },
  });
