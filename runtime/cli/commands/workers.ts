/** `jobyard workers`: who runs jobs, and asking one to end. */
import type { Command } from "commander";
import { connect, remoteCommand, show, showInstant, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface WorkersOptions extends RemoteOptions {
  readonly pool?: string;
  readonly drain?: string;
}

export const workersCommand = (around: Surroundings): Command =>
  remoteCommand("workers", "List the workers, for administrators; or let one end its jobs and stop.", [
    "workers",
    "workers --drain default/worker-1",
  ])
    .option("--pool <name>", "only this pool's")
    .option("--drain <pool/worker>", "let this one end its jobs and stop")
    .action(async ({ pool, drain, ...options }: WorkersOptions) => {
      const { terminal, signal } = around;
      const { monitoring, management } = await connect(options, around);
      if (drain !== undefined) {
        const [ofPool, workerId] = drain.split("/");
        if (!ofPool || !workerId) throw new UsageError("Name it as the list does: --drain default/worker-1");
        const worker = await management.drainWorker(ofPool, workerId, { signal });
        show(terminal, options, worker, () => `${drain} has been asked to drain.`);
        return;
      }
      const items = await monitoring.getWorkers({ pool, signal });
      show(terminal, options, { items }, () =>
        table(
          ["worker", "state", "running", "slots", "version", "heartbeat", "started"],
          items.map((worker) => [
            `${worker.pool}/${worker.workerId}`,
            worker.drainWanted && worker.state !== "stopped" ? `${worker.state}, to drain` : worker.state,
            worker.runningCount,
            worker.slots,
            worker.version,
            showInstant(worker.heartbeatAt),
            showInstant(worker.startedAt),
          ]),
          { ...terminal, empty: "No workers." },
        ),
      );
    });
