/** Routes for what the broker has set aside. */
import { Router } from "express";
import { listDeadLettersSchema } from "../core/requests.ts";
import { callerOf } from "./caller.ts";
import type { DeadLetters } from "./dead-letters.ts";
import { validate } from "./validate.ts";

export function deadLetterRoutes(deadLetters: DeadLetters): Router {
  const router = Router();

  router.get("/dead-letters", async (request, response) => {
    const { poison, ...query } = validate(listDeadLettersSchema, request.query);
    response.json(await deadLetters.list(callerOf(response), { ...query, poison: poison === "true" }));
  });

  router.delete("/dead-letters/:queue/:sequenceNumber", async (request, response) => {
    const { queue, sequenceNumber } = request.params;
    await deadLetters.remove(callerOf(response), queue, sequenceNumber);
    response.status(204).end();
  });

  return router;
}
