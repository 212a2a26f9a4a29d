/** Runs the local Service Bus as a process of its own, to be killed. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BusTopology } from "../../runtime/core/deployment/service-bus.ts";

const PROGRAM = join(import.meta.dirname, "../../runtime/main/start.mjs");

export interface BusProcess extends AsyncDisposable {
  readonly connectionString: string;
  readonly adminPort: number;
  /** Kills it without warning and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  restart(): Promise<void>;
}

export async function startBusProcess(
  topology: Partial<BusTopology>,
  options: readonly string[] = [],
): Promise<BusProcess> {
  const directory = await mkdtemp(join(tmpdir(), "bus-"));
  const topologyFile = join(directory, "topology.json");
  await writeFile(topologyFile, JSON.stringify({ queues: [], topics: [], ...topology }));
  const common = ["bus", "--topology", topologyFile, "--data-dir", join(directory, "data"), ...options];
  let { child, ready } = await launch([...common, "--port", "0", "--admin-port", "0"]);
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  const { connectionString, port, adminPort } = ready;
  return {
    connectionString,
    adminPort,
    kill,
    restart: async () => {
      await kill();
      ({ child, ready } = await launch([...common, "--port", String(port), "--admin-port", String(adminPort)]));
    },
    [Symbol.asyncDispose]: async () => {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

interface Ready {
  readonly connectionString: string;
  readonly port: number;
  readonly adminPort: number;
}

async function launch(args: readonly string[]): Promise<{ child: ChildProcess; ready: Ready }> {
  const child = fork(PROGRAM, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const ready = new Promise<Ready>((resolve, reject) => {
    child.once("message", (message) => resolve(message as Ready));
    child.once("exit", (code) => reject(new Error(`The bus process ended with ${String(code)} before it was ready.`)));
  });
  return { child, ready: await ready };
}
