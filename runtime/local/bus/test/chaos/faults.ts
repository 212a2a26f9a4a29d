/** Breaks the connections between many clients and the bus at random moments. */
import { setTimeout as delay } from "node:timers/promises";
import { startBus } from "../support/start-bus.ts";
import { TcpProxy } from "../../../../../test/support/network/tcp-proxy.ts";
import { chaosTopology, drainAll, Ledger, startLoad } from "./workload.ts";

/** Rounds count from 1, so `cut` is first. `blackhole` is last, because the SDK takes a minute to give up such a link. */
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
    // The SDK waits a whole minute for a connection that breaks while it is set up.
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
