/** Starts a local Service Bus in this process, with clients that end with the test. */
import type { TokenCredential } from "@azure/identity";
import { ServiceBusAdministrationClient, ServiceBusClient, type ServiceBusClientOptions } from "@azure/service-bus";
import {
  startLocalServiceBus,
  type BusTopology,
  type LocalServiceBus,
  type LocalServiceBusOptions,
} from "../../index.ts";

export interface BusFixture extends AsyncDisposable {
  readonly bus: LocalServiceBus;
  /** A client with quick retries, closed with the fixture. */
  client(options?: ServiceBusClientOptions): ServiceBusClient;
  /** As `client`, with access tokens. */
  clientAs(credential: TokenCredential, options?: ServiceBusClientOptions): ServiceBusClient;
  /** An administration client with access tokens. */
  adminAs(credential: TokenCredential): ServiceBusAdministrationClient;
}

export const QUICK_RETRIES = { retryDelayInMs: 100, maxRetryDelayInMs: 500, maxRetries: 3, timeoutInMs: 10_000 };

export async function startBus(
  topology: Partial<BusTopology>,
  options: Partial<LocalServiceBusOptions> = {},
): Promise<BusFixture> {
  const bus = await startLocalServiceBus({ port: 0, topology: { queues: [], topics: [], ...topology }, ...options });
  const clients: ServiceBusClient[] = [];
  const kept = (client: ServiceBusClient): ServiceBusClient => {
    clients.push(client);
    return client;
  };
  return {
    bus,
    client: (clientOptions) =>
      kept(new ServiceBusClient(bus.connectionString, { retryOptions: QUICK_RETRIES, ...clientOptions })),
    clientAs: (credential, clientOptions) =>
      kept(
        new ServiceBusClient(plainNamespace(bus.port), credential, { retryOptions: QUICK_RETRIES, ...clientOptions }),
      ),
    adminAs: (credential) =>
      speakingPlainHttp(
        new ServiceBusAdministrationClient(`127.0.0.1:${bus.adminPort}`, credential, {
          retryOptions: { maxRetries: 0 },
        }),
      ),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await bus.close();
    },
  };
}

/**
 * The SDK always uses TLS when it gets a credential. It puts the namespace into a connection string of its own, so the
 * text after the address switches TLS off.
 */
const plainNamespace = (port: number): string => `127.0.0.1:${port}/;UseDevelopmentEmulator=true;Rest=/`;

export const connectAdmin = (connectionString: string): ServiceBusAdministrationClient =>
  speakingPlainHttp(new ServiceBusAdministrationClient(connectionString, { retryOptions: { maxRetries: 0 } }));

/**
 * Makes an administration client use plain HTTP. Release 7.9.5 of the SDK always writes `https://`, whatever the
 * connection string says. A policy in its public pipeline changes that.
 */
function speakingPlainHttp(admin: ServiceBusAdministrationClient): ServiceBusAdministrationClient {
  admin.pipeline.addPolicy({
    name: "plain-http",
    sendRequest: (request, next) => {
      request.url = request.url.replace(/^https:/, "http:");
      request.allowInsecureConnection = true;
      return next(request);
    },
  });
  return admin;
}
