/**
 * Where tests of the API's rules keep things: in memory, which the ports' suites hold to the same promises as the
 * adapters. Project `api-azurite`, of `npm run test:full`, runs the same tests over Azurite and the local bus.
 */
import process from "node:process";
import { type QueueBacking, startMemoryQueue } from "./memory-queue.ts";
import { createMemoryStores, type Stores } from "./memory-stores.ts";

const overAzure = process.env["API_STORES"] === "azure";

export async function apiStores(): Promise<Stores> {
  return overAzure ? (await import("./azure-stores.ts")).createAzureStores() : createMemoryStores();
}

export async function apiQueue(pools: readonly string[]): Promise<QueueBacking> {
  return overAzure ? (await import("./queue-backings.ts")).startOnBus(pools) : startMemoryQueue();
}
