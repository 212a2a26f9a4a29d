/**
 * Where tests of the API's rules keep things: in memory, which the ports' suites hold to the same promises as the
 * adapters. Project `api-azurite`, of `npm run test:full`, runs the same tests over Azurite and the local bus.
 */
import process from "node:process";
import { type QueueBacking, startMemoryQueue } from "./memory-queue.ts";
import { createMemoryStores, type Stores } from "./memory-stores.ts";
import { MemoryTable } from "./memory-table.ts";
import { createMemoryPauses } from "./memory-waiting.ts";

const overAzure = process.env["API_STORES"] === "azure";

export async function apiStores(): Promise<Stores> {
  if (!overAzure) return createMemoryStores();
  const { createAzureStores } = await import("./azure-stores.ts");
  // A pause of a pool holds every worker that reads it: tests that share the run's Azurite must not share pauses.
  return { ...createAzureStores(), pauses: createMemoryPauses(new MemoryTable()) };
}

export async function apiQueue(pools: readonly string[]): Promise<QueueBacking> {
  return overAzure ? (await import("./queue-backings.ts")).startOnBus(pools) : startMemoryQueue();
}
