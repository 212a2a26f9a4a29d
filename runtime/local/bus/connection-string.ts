/** The connection string under which a client finds the local Service Bus. */
import type { SasKey } from "./amqp/sas.ts";

/**
 * `UseDevelopmentEmulator=true` makes the SDK speak AMQP without TLS.
 * https://learn.microsoft.com/azure/service-bus-messaging/overview-emulator
 */
export const connectionStringOf = (host: string, port: number, { name, key }: SasKey): string =>
  [
    `Endpoint=sb://${host.includes(":") ? `[${host}]` : host}:${port}`,
    `SharedAccessKeyName=${name}`,
    `SharedAccessKey=${key}`,
    "UseDevelopmentEmulator=true",
  ].join(";");
