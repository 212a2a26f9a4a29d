/** Packs worlds into texts, and copies them. */
import { JOB_STATES } from "../../../runtime/core/job/states.ts";
import { Bytes, count, flag, type Layout, listOf, oneOf, packer } from "../packing.ts";
import {
  type Budget,
  FAULTS,
  type LateWrite,
  type Message,
  type OwedBell,
  PHASES,
  RESULTS,
  type Row,
  type Sweeper,
  type Totals,
  type Worker,
  type World,
} from "./world.ts";

export const copyWorld = (world: World): World => ({
  rows: world.rows.map((row) => ({ ...row })),
  workers: world.workers.map((worker) => ({ ...worker })),
  messages: world.messages.map((message) => ({ ...message })),
  owed: world.owed.map((owed) => ({ ...owed })),
  late: world.late.map((late) => ({ ...late })),
  sweeper: { ...world.sweeper },
  sent: world.sent.map((sent) => ({ ...sent })),
  budget: { ...world.budget },
  totals: { ...world.totals },
});

const rowPacker = packer<Row>({
  state: oneOf("absent", ...JOB_STATES),
  ring: count,
  attempts: count,
  interruptions: count,
  claim: count,
  seq: count,
  cancelWanted: flag,
  delayed: flag,
  mayStart: flag,
});

const workerPacker = packer<Worker>({
  phase: oneOf(...PHASES),
  job: count,
  seq: count,
  ring: count,
  locked: flag,
  fresh: flag,
  claim: count,
  result: oneOf(...RESULTS),
  cancel: flag,
  interruptions: count,
  toSend: count,
  delayed: flag,
});

const messagePacker = packer<Message>({
  seq: count,
  job: count,
  ring: count,
  fresh: flag,
  interruptions: count,
  locked: flag,
  deliveries: count,
  scheduled: flag,
  dead: flag,
  givenUp: flag,
});

const owedPacker = packer<OwedBell>({ job: count, ring: count, fresh: flag, givenUp: flag, owesRow: flag });

const latePacker = packer<LateWrite>({
  kind: oneOf("claim", "end"),
  job: count,
  ring: count,
  fresh: flag,
  claim: count,
  seq: count,
  result: oneOf(...RESULTS),
  cancel: flag,
  interruptions: count,
});

const sweeperPacker = packer<Sweeper>({
  rings: flag,
  job: count,
  ring: count,
  fresh: flag,
  letter: count,
  ownMessageId: flag,
});

const budgetLayout = Object.fromEntries(FAULTS.map((fault) => [fault, count])) as Layout<Budget>;
const lists = {
  rows: listOf(rowPacker),
  workers: listOf(workerPacker),
  messages: listOf(messagePacker),
  owed: listOf(owedPacker),
  late: listOf(latePacker),
  sent: listOf(packer<{ rings: number }>({ rings: count })),
};
const budgetPacker = packer<Budget>(budgetLayout);
const totalsPacker = packer<Totals>({ faultsLeft: count, causes: count });

const bytes = new Bytes();

/** Of a canonical world: see `canonical.ts`. */
export function packWorld(world: World): string {
  bytes.start();
  lists.rows.write(bytes, world.rows);
  lists.workers.write(bytes, world.workers);
  lists.messages.write(bytes, world.messages);
  lists.owed.write(bytes, world.owed);
  lists.late.write(bytes, world.late);
  lists.sent.write(bytes, world.sent);
  sweeperPacker.write(bytes, world.sweeper);
  budgetPacker.write(bytes, world.budget);
  totalsPacker.write(bytes, world.totals);
  return bytes.text();
}

export function unpackWorld(text: string): World {
  bytes.load(text);
  const rows = lists.rows.read(bytes);
  const workers = lists.workers.read(bytes);
  const messages = lists.messages.read(bytes);
  const owed = lists.owed.read(bytes);
  const late = lists.late.read(bytes);
  const sent = lists.sent.read(bytes);
  const sweeper = sweeperPacker.read(bytes);
  const budget = budgetPacker.read(bytes);
  const totals = totalsPacker.read(bytes);
  return { rows, workers, messages, owed, late, sweeper, sent, budget, totals };
}
