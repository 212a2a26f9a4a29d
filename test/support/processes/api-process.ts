/** The API as it is deployed: a process over the run's storage and a test's bus, to be killed. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { inject } from "vitest";
import { REQUESTS_PER_MINUTE_MAX } from "../../../runtime/core/limits.ts";
import { SETTING } from "../../../runtime/core/settings/names.ts";

import { openSse } from "../events/sse-client.ts";
import type { LocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { eventuallyFound } from "../eventually.ts";

type TestBus = Pick<LocalServiceBus, "connectionString" | "adminConnectionString">;

/** Disposing ends it in good order, unless it is dead. */
export interface ApiProcess extends AsyncDisposable {
  /** The same after a restart. */
  readonly url: string;
  /** Kills it without warning and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again where it was; resolves when it answers. */
  restart(): Promise<void>;
}

const LAUNCHER = join(import.meta.dirname, "../../../runtime/main/start.mjs");

/** `settings`: others than those of a test, by their variables. The bus is always `bus`. */
export async function startApiProcess(
  bus: TestBus,
  instanceId: string,
  settings: Readonly<Record<string, string>>,
): Promise<ApiProcess> {
  const start = (wanted: number) => launch(bus, wanted, { [SETTING.instanceId]: instanceId, ...settings });
  let { child, port } = await start(0);
  const isGone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (isGone()) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    kill: () => end("SIGKILL"),
    restart: async () => {
      await end("SIGKILL");
      ({ child, port } = await start(port));
    },
    [Symbol.asyncDispose]: () => end("SIGTERM"),
  };
}

async function launch(
  bus: TestBus,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(LAUNCHER, ["api"], {
    env: {
      PATH: process.env["PATH"],
      [SETTING.storageConnectionString]: inject("storageConnectionString"),
      [SETTING.auth]: "none",
      [SETTING.apiPort]: String(port),
      [SETTING.requestsPerMinute]: String(REQUESTS_PER_MINUTE_MAX),
      [SETTING.logLevel]: "error",
      ...settings,
      // After the settings, which may be of a system with a bus of its own.
      [SETTING.serviceBusConnectionString]: bus.connectionString,
      [SETTING.serviceBusAdminConnectionString]: bus.adminConnectionString,
    },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [ready] = (await once(child, "message")) as [{ readonly port: number }];
  return { child, port: ready.port };
}

/** An API answers before it receives events. Resolves when all of them pass events to their followers. */
export async function untilHearing(apis: readonly Pick<ApiProcess, "url">[], tenantName: string): Promise<void> {
  const [first] = apis;
  const post = async (path: string, body: object) => {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    return (await (await fetch(`${first?.url ?? ""}${path}`, init)).json()) as { jobId: string };
  };
  const streams = await Promise.all(apis.map(({ url }) => openSse(`${url}/v1/events?tenantName=${tenantName}`)));
  const request = {
    tenantName,
    jobType: "T",
    jobName: "n",
    jobProcessorPackageName: "p.zip",
    publishLater: true,
    delayMs: 3_600_000,
  };
  const everyoneHeard = async (): Promise<boolean> => {
    const { jobId } = await post("/v1/jobs", request);
    await post(`/v1/jobs/${jobId}/cancel`, {});
    return streams.every(({ messages }) => messages.some(({ event }) => event === "jobCompleted"));
  };
  await eventuallyFound(everyoneHeard);
  await Promise.all(streams.map((stream) => stream[Symbol.asyncDispose]()));
}
