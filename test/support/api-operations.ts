/** The list of the API's operations, for tests that read what it says and call none of them. */
import { createOperations, type OperationDeps } from "../../runtime/api/routes/routes.ts";

export const apiOperations = createOperations({
  stores: {},
  bus: {},
  clock: {},
  timers: {},
  webhooks: {},
  followers: {},
  pools: [],
  authFacts: { kind: "none" },
} as unknown as OperationDeps);
