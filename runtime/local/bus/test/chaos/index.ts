/** The long part of the bus tests: `npm run chaos -- bus`. */
import { crashRounds } from "./crash.ts";
import { faultRounds } from "./faults.ts";
import { runQueueModel, runSessionModel } from "./model.ts";
import type { Ledger } from "./workload.ts";

const COMMANDS = 50_000;
const CRASHES = 50;
const FAULTS = 6;
const CLIENTS = 200;

export async function run(): Promise<void> {
  console.log(`queue model: ${runQueueModel(COMMANDS)} commands agree`);
  console.log(`session model: ${runSessionModel(COMMANDS)} commands agree`);
  judge("kill -9", CRASHES, await crashRounds(CRASHES, progress(CRASHES)));
  judge(
    "broken connections",
    FAULTS,
    await faultRounds({ rounds: FAULTS, clientCount: CLIENTS, onRound: progress(FAULTS) }),
  );
}

const progress =
  (rounds: number) =>
  (round: number): void => {
    if (round % 10 === 0 || rounds < 10) console.log(`  round ${round} of ${rounds}`);
  };

function judge(what: string, rounds: number, ledger: Ledger): void {
  const missing = ledger.missing();
  const counts = `${ledger.acknowledged.size} acknowledged, ${ledger.deliveries} deliveries, ${ledger.settled.size} settled`;
  console.log(`${what}: ${rounds} rounds, ${counts}, ${missing.length} lost, ${ledger.violations.length} violations`);
  for (const violation of [...missing.map((id) => `${id} was lost`), ...ledger.violations].slice(0, 20)) {
    console.log(`  ${violation}`);
  }
  if (missing.length + ledger.violations.length > 0) throw new Error(`The bus broke a guarantee under ${what}.`);
}
