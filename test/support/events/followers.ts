/** Every way to follow a batch, each with the client that its users have. All of them report alike. */
import { ServiceBusClient } from "@azure/service-bus";
import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { EventSource } from "eventsource";
import { expect } from "vitest";
import type { JobServiceClient } from "../../../runtime/client/client.ts";
import { EVENT_TYPES, parseEvent, type JobEvent, type SystemEvent } from "../../../runtime/core/job/events.ts";
import { EVENTS_TOPIC } from "../../../runtime/core/deployment/topology.ts";

import { connectAdmin } from "../../../runtime/local/bus/test/support/start-bus.ts";
import type { LocalServiceBus } from "../../../runtime/local/bus/index.ts";

export interface Follower extends AsyncDisposable {
  readonly name: string;
  /** As it came; repeats too, where the client lets them through. */
  readonly heard: SystemEvent[];
  /** How often it was told that it may have missed something. */
  missedCount: number;
  /** Times it lost its connection and has another one. */
  reconnectCount: number;
}

type Heard = Pick<Follower, "name" | "heard" | "missedCount" | "reconnectCount">;

const nothingYet = (name: string): Heard => ({ name, heard: [], missedCount: 0, reconnectCount: 0 });

/**
 * SignalR's client; it subscribes again when it has reconnected, as its documentation says. Without a negotiation it makes
 * one connection each time.
 */
export async function followByHub(
  apiUrl: string,
  batchId: string,
  { skipNegotiation = false }: { readonly skipNegotiation?: boolean } = {},
): Promise<Follower> {
  const state = nothingYet("SignalR");
  const connection = new HubConnectionBuilder()
    .withUrl(`${apiUrl}/hubs/jobs`, {
      ...(skipNegotiation && { skipNegotiation, transport: HttpTransportType.WebSockets }),
    })
    .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 100 })
    .configureLogging(LogLevel.None)
    .build();
  for (const type of EVENT_TYPES) connection.on(type, (event: SystemEvent) => void state.heard.push(event));
  connection.on("missed", () => {
    state.missedCount++;
  });
  connection.onreconnected(() => {
    void connection.invoke("SubscribeToBatch", batchId).then(() => state.reconnectCount++);
  });
  await connection.start();
  await connection.invoke("SubscribeToBatch", batchId);
  return Object.assign(state, { [Symbol.asyncDispose]: () => connection.stop() });
}

/** EventSource as browsers have it. These APIs need no token; a ticket would be refused after a minute. */
export async function followByEventSource(apiUrl: string, batchId: string): Promise<Follower> {
  const state = nothingYet("EventSource");
  const source = new EventSource(`${apiUrl}/v1/events?batchId=${batchId}`);
  for (const type of EVENT_TYPES)
    source.addEventListener(type, ({ data }) => void state.heard.push(JSON.parse(data as string) as SystemEvent));
  source.addEventListener("missed", () => {
    state.missedCount++;
  });
  await new Promise((resolve) => source.addEventListener("open", resolve, { once: true }));
  source.addEventListener("open", () => {
    state.reconnectCount++;
  });
  return Object.assign(state, {
    [Symbol.asyncDispose]: () => {
      source.close();
      return Promise.resolve();
    },
  });
}

/** Our own client. It does not report reconnects. */
export async function followByClient({ notifications }: JobServiceClient, batchId: string): Promise<Follower> {
  const state = nothingYet("our client");
  for (const type of EVENT_TYPES) notifications.on(type, (event) => void state.heard.push(event));
  notifications.on("missed", () => {
    state.missedCount++;
  });
  await notifications.connect();
  await notifications.subscribeToBatch(batchId);
  return Object.assign(state, {
    [Symbol.asyncDispose]: () => {
      notifications.disconnect();
      return Promise.resolve();
    },
  });
}

/** An outside service with a subscription and a filter of its own. */
export async function followOutside(bus: LocalServiceBus, batchId: string): Promise<Follower> {
  const state = nothingYet("an outside service");
  const subscription = `outside-${batchId.slice(-12)}`;
  const admin = connectAdmin(bus.adminConnectionString ?? "");
  await admin.createSubscription(EVENTS_TOPIC, subscription, {
    defaultRuleOptions: { name: "mine", filter: { sqlExpression: `BatchId = '${batchId}'` } },
  });
  const client = new ServiceBusClient(bus.connectionString);
  client.createReceiver(EVENTS_TOPIC, subscription, { receiveMode: "receiveAndDelete" }).subscribe({
    processMessage: (message) => {
      const parsed = parseEvent(message.body);
      if (!parsed.ok) throw new Error(parsed.reason);
      state.heard.push(parsed.event);
      return Promise.resolve();
    },
    processError: ({ error }) => Promise.reject(error),
  });
  return Object.assign(state, { [Symbol.asyncDispose]: () => client.close() });
}

/**
 * The ends of jobs and batches that came, whatever their order: API and workers publish apart, so the end of a batch need
 * not be the last event.
 */
export function endsIn(heard: readonly SystemEvent[]): { readonly jobs: number; readonly batches: number } {
  const ended = heard.flatMap((event) => (event.eventType === "jobCompleted" ? [event.jobId] : []));
  const batches = heard.flatMap((event) => (event.eventType === "batchCompleted" ? [event.batchId] : []));
  return { jobs: new Set(ended).size, batches: new Set(batches).size };
}

/**
 * What a follower received of each job, without events whose sequence is stale: the contract's one rule for consumers.
 */
export function storiesOf({ heard }: Pick<Follower, "heard">): ReadonlyMap<string, readonly JobEvent[]> {
  const stories = new Map<string, JobEvent[]>();
  for (const event of heard) {
    if (!("jobId" in event)) continue;
    const story = stories.get(event.jobId) ?? [];
    if (event.sequence > (story.at(-1)?.sequence ?? -1)) story.push(event);
    stories.set(event.jobId, story);
  }
  return stories;
}

/** Of every job one start, progress that only grows, up to its end, and exactly one end, which is the last. */
export function expectWholeStories(follower: Pick<Follower, "name" | "heard">, jobIds: readonly string[]): void {
  const { name } = follower;
  const stories = storiesOf(follower);
  expect(new Set(stories.keys()), name).toEqual(new Set(jobIds));
  for (const [jobId, story] of stories) {
    const types = story.map(({ eventType }) => eventType);
    const counted = ["jobStarted", "jobCompleted"].map((type) => types.filter((one) => one === type).length);
    expect(counted, `${name}: ${jobId}: ${types.join()}`).toEqual([1, 1]);
    expect(types.at(-1), name).toBe("jobCompleted");
    const fractions = story.flatMap((event) =>
      event.eventType === "jobProgressed" ? [event.progress.fraction ?? NaN] : [],
    );
    expect(fractions, name).toEqual(fractions.toSorted((a, b) => a - b));
    expect(fractions.at(-1), name).toBe(1);
  }
}
