/** Kills the bus without warning under load, again and again. */
import { setTimeout as delay } from "node:timers/promises";
import { startBusProcess } from "../support/bus-process.ts";
import { chaosTopology, drainAll, Ledger, startLoad } from "./workload.ts";

export async function crashRounds(rounds: number, onRound: (round: number) => void = () => undefined): Promise<Ledger> {
  await using bus = await startBusProcess(chaosTopology);
  const ledger = new Ledger();
  const { connectionString } = bus;
  for (let round = 1; round <= rounds; round++) {
    const load = startLoad({ connectionString, ledger, clientCount: 4, senderCount: 8 });
    await load.established;
    // The moment of the crash is random on purpose. There is no state to wait for.
    await delay(Math.random() * 500);
    await bus.kill();
    await load.stop();
    await bus.restart();
    onRound(round);
  }
  await drainAll(connectionString, ledger);
  return ledger;
}
