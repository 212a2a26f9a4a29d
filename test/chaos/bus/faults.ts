/** Breaks the connections between many clients and the bus at random moments. */
import { setTimeout as delay } from "node:timers/promises";
import { startBus } from "../../support/bus-fixture.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { chaosTopology, drainAll, Ledger, startLoad } from "./workload.ts";

/** The second one comes first; the first, which waits a minute for the SDK to give a link up, last. */
const FAULTS = ["blackhole", "cut", "stall"] as const;

export interface FaultOptions {
  readonly rounds: number;
  readonly clientCount: number;
  readonly onRound?: (round: number) => void;
}

export async function faultRounds({ rounds, clientCount, onRound }: FaultOptions): Promise<Ledger> {
  await using fixture = await startBus(chaosTopology);
  const { bus } = fixture;
  await using proxy = await TcpProxy.to(bus.port);
  const ledger = new Ledger();
  const connectionString = bus.connectionString.replace(`:${bus.port};`, `:${proxy.port};`);
  for (let round = 1; round <= rounds; round++) {
    const load = startLoad({ connectionString, ledger, clientCount, senderCount: Math.min(16, clientCount) });
    // The SDK gives a connection that breaks while it is set up a whole minute.
    await load.established;
    await delay(Math.random() * 700);
    const fault = FAULTS[round % FAULTS.length];
    if (fault === "stall") {
      proxy.stall();
      await delay(Math.random() * 300);
      proxy.resume();
    } else if (fault === "blackhole") {
      proxy.blackhole(true);
      await delay(Math.random() * 300);
    }
    if (fault !== "stall") proxy.cut();
    proxy.blackhole(false);
    await load.stop();
    onRound?.(round);
  }
  await drainAll(bus.connectionString, ledger);
  return ledger;
}
