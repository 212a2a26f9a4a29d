/** Storage for an integration test: its own clients, and tenants that no other test uses. */
import { randomInt } from "node:crypto";
import { inject } from "vitest";
import { connectStorage, type StorageClients } from "../../../runtime/azure/index.ts";

/** New clients for the run's Azurite, or for a proxy or an Azurite of the test's own. */
export const testStorage = (connectionString = inject("storageConnectionString")): StorageClients =>
  connectStorage({ kind: "connection-string", storage: connectionString });

/** A tenant name no other test uses; everything a test writes belongs to one. */
export const freshTenant = (): string => `t${randomInt(36 ** 8).toString(36)}`;
