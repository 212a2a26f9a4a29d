/** `jobyard workers`: lists the workers, or drains one. */
import type { WorkerView } from "../../client/index.ts";
import { connect, show, showInstant, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface WorkersOptions extends RemoteOptions {
  readonly pool?: string;
  readonly drain?: string;
}

export async function workers(given: WorkersOptions, around: Surroundings): Promise<void> {
  const { pool, drain, ...options } = given;
  const { terminal, signal } = around;
  const { monitoring, management } = await connect(options, around);
  if (drain !== undefined) {
    const [ofPool, workerId] = drain.split("/");
    if (!ofPool || !workerId) throw new UsageError("Use the form of the list: --drain default/worker-1");
    const worker = await management.drainWorker(ofPool, workerId, { signal });
    show(terminal, options, worker, () => `Drain of ${drain} requested.`);
    return;
  }
  const items = await monitoring.getWorkers({ pool, signal });
  show(terminal, options, { items }, () =>
    table(
      ["worker", "state", "running", "slots", "version", "heartbeat", "started"],
      items.map((worker) => [
        `${worker.pool}/${worker.workerId}`,
        stateText(worker),
        worker.runningCount,
        worker.slots,
        worker.version,
        showInstant(worker.heartbeatAt),
        showInstant(worker.startedAt),
      ]),
      { ...terminal, empty: "No workers." },
    ),
  );
}

function stateText({ state, drainWanted, isProtected }: WorkerView): string {
  if (drainWanted && state !== "stopped") return `${state}, drain requested`;
  return isProtected === true && state === "running" ? "running, protected" : state;
}
