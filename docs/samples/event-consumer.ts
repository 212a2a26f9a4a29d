/**
 * An outside service that follows jobs: receives from a subscription of its own on topic `job-events`, passes over what
 * it has seen, and prints one line for each event. Needs nothing of Jobyard but the contract in docs/events.md.
 *
 *     SERVICEBUS_CONNECTION_STRING=… SUBSCRIPTION=my-service node docs/samples/event-consumer.ts
 */
import { ServiceBusClient, type ServiceBusReceivedMessage } from "@azure/service-bus";

/** What this consumer reads of an event; there is more, see docs/events.md. */
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

/** The last sequence of each job and batch. A service that runs for long would forget those that have ended. */
const seen = new Map<string, number>();

/** One call at a time and per subject in order: see `maxConcurrentCalls` below. */
function handle(message: ServiceBusReceivedMessage): Promise<void> {
  const event = message.body as JobyardEvent;
  // A version this consumer does not know may mean something else by the same names.
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
    // Completed when this resolves; thrown errors give the message back.
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
