/**
 * Where tests of the API's rules keep things: in memory, which the ports' suites hold to the same promises as the Azure
 * adapters. Project `api-azurite`, of `npm run test:full`, runs the same tests over the adapters.
 */
import process from "node:process";
import { createMemoryStores, type Stores } from "./memory-stores.ts";

export async function apiStores(): Promise<Stores> {
  if (process.env["API_STORES"] !== "azure") return createMemoryStores();
  return (await import("./azure-stores.ts")).createAzureStores();
}
