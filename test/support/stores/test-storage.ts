/** Storage for an integration test: its own clients, and tenants that no other test uses. */
import { randomInt } from "node:crypto";
import { inject } from "vitest";
import { connectStorage, provisionStorage, type StorageClients } from "../../../runtime/azure/index.ts";
import { ofAccount, type OwnAccount } from "./azurite.ts";

/** New clients for the run's Azurite, or for a proxy or an Azurite of the test's own. */
export const testStorage = (connectionString = inject("storageConnectionString")): StorageClients =>
  connectStorage({ kind: "connection-string", storage: connectionString });

/** The run's Azurite under an account of its own, ready for use. Resolves to its connection string. */
export async function ownStorage(account: OwnAccount): Promise<string> {
  const connectionString = ofAccount(inject("storageConnectionString"), account);
  await provisionStorage(testStorage(connectionString));
  return connectionString;
}

/** A tenant name no other test uses; everything a test writes belongs to one. */
export const freshTenant = (): string => `t${randomInt(36 ** 8).toString(36)}`;
