/** Where the services are. */
import { type Environment, SettingsError, optional, required } from "./environment.ts";
import { SETTING } from "./names.ts";

/** Where the services are. On a laptop connection strings; in Azure names, and a managed identity as credential. */
export type ConnectionSettings =
  | {
      readonly kind: "connection-string";
      readonly storage: string;
      readonly serviceBus: string;
      /** For the administration of the namespace, where that has an address of its own. */
      readonly serviceBusAdmin?: string | undefined;
    }
  | { readonly kind: "credential"; readonly storageAccount: string; readonly serviceBusNamespace: string };

export function parseConnection(env: Environment): ConnectionSettings {
  const storage = env[SETTING.storageConnectionString];
  const serviceBus = env[SETTING.serviceBusConnectionString];
  if (storage !== undefined && serviceBus !== undefined) {
    const serviceBusAdmin = optional(env, SETTING.serviceBusAdminConnectionString);
    return { kind: "connection-string", storage, serviceBus, ...(serviceBusAdmin && { serviceBusAdmin }) };
  }
  if (storage !== undefined || serviceBus !== undefined) {
    throw new SettingsError(
      `Give both ${SETTING.storageConnectionString} and ${SETTING.serviceBusConnectionString}, or neither.`,
    );
  }
  return {
    kind: "credential",
    storageAccount: required(env, SETTING.storageAccount),
    serviceBusNamespace: required(env, SETTING.serviceBusNamespace),
  };
}
