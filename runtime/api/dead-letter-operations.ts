/** Operations on what the broker has set aside. */
import { deadLetterParams, listDeadLettersSchema } from "../core/requests.ts";
import { deadLetterViewSchema, pageSchema, pageView } from "../core/views.ts";
import type { DeadLetters } from "./dead-letters.ts";
import { operation, type Operation } from "./operation.ts";

export function deadLetterOperations(deadLetters: DeadLetters): readonly Operation[] {
  const listDeadLetters = operation({
    id: "listDeadLetters",
    method: "get",
    path: "/v1/dead-letters",
    tag: "Dead letters",
    summary: "List the dead letters of a pool",
    description:
      "Queue by queue, `high` first, oldest first. A page may hold fewer items than asked for, even none, and still have " +
      "a `continuationToken`: one request looks at a limited number of letters.",
    needs: "read",
    query: listDeadLettersSchema,
    responses: { 200: { description: "A page.", schema: pageSchema("DeadLetterPage", deadLetterViewSchema) } },
    errors: [],
    async handle({ caller, query: { poison, ...query } }) {
      const page = await deadLetters.list(caller, { ...query, poison: poison === "true" });
      return { status: 200, body: pageView(page, (letter) => letter) };
    },
  });

  const removeDeadLetter = operation({
    id: "removeDeadLetter",
    method: "delete",
    path: "/v1/dead-letters/{queue}/{sequenceNumber}",
    tag: "Dead letters",
    summary: "Remove a dead letter",
    description: "Of a job that has ended or is gone, or one no worker can read. To run a job again, requeue the job.",
    needs: "manage",
    params: deadLetterParams,
    responses: { 204: { description: "It is gone." } },
    errors: ["DeadLetterNotFound", "JobNotEnded"],
    async handle({ caller, params: { queue, sequenceNumber } }) {
      await deadLetters.remove(caller, queue, sequenceNumber);
      return { status: 204 };
    },
  });

  return [listDeadLetters, removeDeadLetter];
}
