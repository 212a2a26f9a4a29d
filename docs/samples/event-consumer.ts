/**
 * An outside service that follows jobs: it receives from its own subscription on topic `job-events`, ignores repeats, and
 * prints one line for each event. It depends only on the contract in docs/events.md.
 *
 *     SERVICEBUS_CONNECTION_STRING=… SUBSCRIPTION=my-service node docs/samples/event-consumer.ts
 */
import { ServiceBusClient, type ServiceBusReceivedMessage } from "@azure/service-bus";

/** The fields of an event that this consumer reads. docs/events.md lists all. */
interface JobyardEvent {
  readonly version: number;
  readonly eventType: string;
  readonly sequence: number;
  readonly batchId: string;
  readonly jobId?: string;
  readonly status: string;
}

const { SERVICEBUS_CONNECTION_STRING: connectionString, SUBSCRIPTION: subscription } = process.env;
if (connectionString === undefined || subscription === undefined) {
  throw new Error("Set SERVICEBUS_CONNECTION_STRING and SUBSCRIPTION.");
}

/** The last sequence of each job and batch. A long-running service would delete entries of ended ones. */
const seen = new Map<string, number>();

/** `maxConcurrentCalls` below makes this run one call at a time, in order. */
function handle(message: ServiceBusReceivedMessage): Promise<void> {
  const event = message.body as JobyardEvent;
  // In an unknown version the same names may have other meanings.
  if (event.version !== 1) return Promise.resolve();
  const subject = event.jobId ?? event.batchId;
  if (event.sequence > (seen.get(subject) ?? -1)) {
    seen.set(subject, event.sequence);
    console.log(`${event.eventType} ${subject} ${event.status}`);
  }
  return Promise.resolve();
}

const client = new ServiceBusClient(connectionString);
const receiver = client.createReceiver("job-events", subscription);
receiver.subscribe(
  {
    // The message is completed when this resolves, and returned to the subscription when it throws.
    processMessage: handle,
    processError: ({ error }) => {
      console.error(error.message);
      return Promise.resolve();
    },
  },
  { maxConcurrentCalls: 1 },
);

process.once("SIGTERM", () => {
  void receiver
    .close()
    .then(() => client.close())
    .then(() => process.exit(0));
});
