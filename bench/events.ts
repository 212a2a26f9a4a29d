/**
 * Measures events at one API process: the memory of an idle connection, the time until one event has reached a thousand
 * clients of each kind, and that the API disconnects clients that do not read while the others receive everything.
 * Clients and measurement share this process, and the machine with the API, so times are upper bounds. Fails if an
 * event is missed.
 */
import { setTimeout as pause } from "node:timers/promises";
import { createNoopMeter } from "@opentelemetry/api";
import { connectServiceBus, createEventPublisher } from "../runtime/azure/index.ts";
import { SETTING } from "../runtime/core/settings/names.ts";
import { FOLLOWER_HEARTBEAT_MS, FOLLOWERS_MAX_COUNT } from "../runtime/core/limits.ts";
import { createJobEvents, type JobEvents } from "../runtime/lifecycle/job-events.ts";
import { ADMIN_APPLICATION } from "../runtime/local/identity/principals.ts";
import { signInAs } from "../runtime/local/identity/issuer-client.ts";
import type { Stack } from "../runtime/local/stack.ts";
import { followByHub, followByStream, type EventFollower } from "./event-followers.ts";
import { createInstruments } from "../runtime/telemetry/metrics.ts";
import { rssMiB, withStack } from "./stack.ts";
import { median, type Options, type Report } from "./suite.ts";

const CONNECTIONS = 1_000;
const QUICK_CONNECTIONS = 50;
/** Opened and closed before the measurement, so that code is compiled and buffers have their size. */
const WARM_UP_CONNECTIONS = 300;
/** Opened at a time. */
const AT_ONCE = 50;
/** In this time unused memory is returned, and every connection gets a heartbeat. */
const REST_MS = FOLLOWER_HEARTBEAT_MS + 3_000;
const ROUNDS = 30;
/** Of each kind, in addition to one that does not read. */
const KEEN = 10;
/** More than the system's buffers and FOLLOWER_WAITING_MAX_BYTES hold for one connection. */
const FLOOD_EVENTS = 1_200;
const FLOOD_EVENT_CHARACTERS = 20_000;
const FLOOD_AT_ONCE = 50;

export const run = (report: Report, { quick }: Options): Promise<void> =>
  withStack(
    // All of them have one token.
    {
      workers: 0,
      slots: 1,
      environment: { [SETTING.followersPerCaller]: String(FOLLOWERS_MAX_COUNT), [SETTING.events]: "all" },
    },
    (stack) => measure(stack, report, quick ? QUICK_CONNECTIONS : CONNECTIONS),
  );

type Follow = (tenantName: string) => Promise<EventFollower>;

async function measure(stack: Stack, report: Report, connections: number): Promise<void> {
  const token = (await signInAs(ADMIN_APPLICATION, stack.issuer)()).replace("Bearer ", "");
  const kinds = [
    { name: "Server-Sent Events", follow: (tenantName) => followByStream({ url: stack.apiUrl, tenantName, token }) },
    { name: "SignalR hub", follow: (tenantName) => followByHub({ url: stack.apiUrl, tenantName, token }) },
  ] as const satisfies readonly { readonly name: string; readonly follow: Follow }[];
  const bus = connectServiceBus({ kind: "connection-string", serviceBus: stack.serviceBusConnectionString });
  const log = { info: ignore, warn: ignore, error: ignore, child: () => log };
  const metrics = createInstruments(createNoopMeter());
  const publisher = createEventPublisher({ bus, metrics, log });
  const events = createJobEvents({ publisher, level: "all", metrics, now: () => new Date(), log });
  const rss = async (): Promise<number> => 1_024 * (await rssMiB(stack, "api"));

  for (const { follow } of kinds) await closeAll(await open(WARM_UP_CONNECTIONS, "warm", follow));
  await pause(REST_MS);
  const all: EventFollower[] = [];
  const atStart = await rss();
  for (const { name, follow } of kinds) {
    const before = await rss();
    const followers = await open(connections, "load", follow);
    await pause(REST_MS);
    const each = Math.round(((await rss()) - before) / connections);
    report({ name: `${name}: memory (RSS) per idle connection`, value: each, unit: "KiB" });
    report({ name: `${name}: of ${connections}, open`, value: openIn(followers), unit: "connections" });
    all.push(...followers);
  }
  // The heap grows in steps, more for the first kind. This is the figure to plan with.
  const mean = Math.round(((await rss()) - atStart) / all.length);
  report({ name: "memory (RSS) per idle connection, both kinds", value: mean, unit: "KiB" });
  report({ name: "memory of the API with all of them", value: Math.round((await rss()) / 1_024), unit: "MiB" });
  await measureFanOut(all, events, report);
  await closeAll(all);
  await measureFlood(kinds, events, report);
  await publisher.close();
}

const ignore = (): void => undefined;

async function measureFanOut(all: readonly EventFollower[], events: JobEvents, report: Report): Promise<void> {
  const toFirst: number[] = [];
  const toAll: number[] = [];
  for (let number = 1; number <= ROUNDS; number++) {
    const toldAt = performance.now();
    events.queued(jobOf("load", number));
    await until(() => all.every(({ count }) => count === number));
    const times = all.map(({ heardAt }) => heardAt - toldAt);
    toFirst.push(Math.min(...times));
    toAll.push(Math.max(...times));
  }
  const who = `one event to ${all.length} clients`;
  report({ name: `${who}: published until the first has it, median`, value: round(median(toFirst)), unit: "ms" });
  report({ name: `${who}: published until the last has it, median`, value: round(median(toAll)), unit: "ms" });
  report({ name: `${who}: published until the last has it, worst`, value: round(Math.max(...toAll)), unit: "ms" });
}

async function measureFlood(
  kinds: readonly { readonly name: string; readonly follow: Follow }[],
  events: JobEvents,
  report: Report,
): Promise<void> {
  const keen = (await Promise.all(kinds.map(({ follow }) => open(KEEN, "flood", follow)))).flat();
  const slow = await Promise.all(kinds.map(async ({ name, follow }) => ({ name, follower: await follow("flood") })));
  for (const { follower } of slow) follower.pause();

  const entry = { execution: 1, attempt: 1, workerId: "w", claimId: "c", startedAt: new Date() };
  const text = "x".repeat(FLOOD_EVENT_CHARACTERS);
  const startedAt = performance.now();
  for (let sent = 0; sent < FLOOD_EVENTS;) {
    for (let i = 0; i < FLOOD_AT_ONCE; i++) events.progressed(jobOf("flood", 1), entry, { text }, ++sent);
    await until(() => keen.every(({ count }) => count >= sent));
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const whole = keen.filter(({ count, isOpen }) => isOpen && count === FLOOD_EVENTS).length;
  report({
    name: `flood of ${FLOOD_EVENTS} events of 20 KB, received completely`,
    value: whole,
    unit: `of ${2 * KEEN} readers`,
  });
  const mebibytes = (FLOOD_EVENTS * FLOOD_EVENT_CHARACTERS * keen.length) / 1024 / 1024;
  report({ name: "sent to them", value: Math.round(mebibytes / seconds), unit: "MiB/s" });
  for (const { name, follower } of slow) {
    follower.resume();
    await until(() => !follower.isOpen);
    report({
      name: `${name}: a client that did not read was disconnected after`,
      value: follower.count,
      unit: "events",
    });
    if (follower.count >= FLOOD_EVENTS) throw new Error(`${name}: a client that did not read was not disconnected.`);
  }
  await closeAll(keen);
}

/** A job that exists only in its events. */
const jobOf = (tenantName: string, number: number) => ({
  jobId: `${tenantName}.0000000000aaaaaaaa.00.${String(number).padStart(18, "0")}`,
  ...{ jobName: "n", jobType: "T", ring: 1, executions: 1, runAt: undefined },
});

async function open(count: number, tenantName: string, follow: Follow): Promise<EventFollower[]> {
  const followers: EventFollower[] = [];
  while (followers.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - followers.length) }, () => follow(tenantName));
    followers.push(...(await Promise.all(some)));
  }
  return followers;
}

async function closeAll(followers: readonly EventFollower[]): Promise<void> {
  for (const follower of followers) follower.close();
  await until(() => openIn(followers) === 0);
}

const openIn = (followers: readonly EventFollower[]): number => followers.filter(({ isOpen }) => isOpen).length;

const WAIT_MS = 30_000;

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error("Events did not arrive, or connections did not end, in time.");
    await pause(1);
  }
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
