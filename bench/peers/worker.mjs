// The worker process of a peer: `node worker.mjs <options as JSON>`, started with an IPC channel. It tells the time at which
// each job's code ran, if it is asked to.
import { ADAPTERS } from "./adapters.mjs";

const { adapter, concurrency, tells, ...services } = JSON.parse(process.argv[2]);

async function handle(id, ranAt = Number(process.hrtime.bigint()) / 1e6) {
  if (tells) process.send({ id, ranAt });
  return { ranAt };
}

const go = await ADAPTERS[adapter](services).startWorker({ concurrency, handle });
process.on("message", () => void go());
process.on("disconnect", () => process.exit(0));
process.send({ isReady: true });
