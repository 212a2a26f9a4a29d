/**
 * This system, its floor and its peers in turn, on the same machine and with the same work, in several rounds. Writes medians,
 * ranges and ratios into docs/performance.md.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { format } from "prettier";
import { run as runFloor } from "../floor.ts";
import { run as runLatency } from "../latency.ts";
import { run as runOperations } from "../operations.ts";
import { run as runRecovery } from "../recovery.ts";
import { measureRows } from "../scale.ts";
import { run as runSubmit } from "../submit.ts";
import { createSummaries, type Figure, type Options, type Report, scaled } from "../suite.ts";
import { run as runThroughput } from "../throughput.ts";
import { withFigures } from "./report.ts";
import { installPeers, type PeerServices, startPeerServices } from "./services.ts";

interface Peer {
  readonly title: string;
  /** In adapters.mjs. */
  readonly adapter: string;
  readonly concurrency: number;
  readonly measures: readonly ("latency" | "throughput" | "submit")[];
}

const PEERS: readonly Peer[] = [
  { title: "BullMQ", adapter: "bullmq", concurrency: 64, measures: ["latency", "throughput", "submit"] },
  { title: "BullMQ sandboxed", adapter: "bullmq-sandbox", concurrency: 4, measures: ["latency", "throughput"] },
  { title: "pg-boss", adapter: "pg-boss", concurrency: 4, measures: ["latency", "submit"] },
  { title: "pg-boss", adapter: "pg-boss-batch", concurrency: 64, measures: ["throughput"] },
  { title: "graphile-worker", adapter: "graphile", concurrency: 64, measures: ["latency", "throughput", "submit"] },
];

const COUNTS = { warmUp: 15, latency: 100, throughput: 4_000, single: 3_000, bulk: 10_000 };
/** Of the usual numbers, so that three rounds take minutes. */
const SHARE = 0.5;
const ROWS = [1_000, 10_000, 100_000];
const QUICK_ROWS = [100, 1_000];

const DOCUMENT = join(import.meta.dirname, "../../docs/performance.md");

export async function run(report: Report, options: Options): Promise<void> {
  await installPeers();
  await using services = await startPeerServices();
  const summaries = createSummaries();
  const load = loadavg()[0] ?? 0;
  const startedAt = performance.now();
  const reportAs =
    (prefix: string): Report =>
    (figure) => {
      const named = { ...figure, name: `${prefix}: ${figure.name}` };
      summaries.add(named);
      report(named);
    };
  const ours = reportAs("ours");
  const shared = { ...options, share: options.share * SHARE };
  for (let round = 1; round <= options.rounds; round++) {
    await runFloor(reportAs("floor"), shared);
    await runLatency(ours, shared);
    for (const peer of PEERS) await runPeer(peer, services, shared, reportAs(peer.title));
    await runThroughput(ours, shared);
    await runSubmit(ours, shared);
  }
  // These vary little, or take long: once.
  await runOperations(ours, shared);
  await runRecovery(ours, options);
  await measureRows(ours, options.quick ? QUICK_ROWS : ROWS);
  if (options.quick) return;
  const document = withFigures(await readFile(DOCUMENT, "utf8"), summaries, {
    conditions: await conditionsOf(services, options, { load, minutes: (performance.now() - startedAt) / 60_000 }),
    peers: [...new Set(PEERS.map(({ title }) => title))],
  });
  await writeFile(DOCUMENT, await format(document, { parser: "markdown", printWidth: 120 }));
}

async function runPeer(
  { adapter, concurrency, measures }: Peer,
  { redisPort, postgresUrl }: PeerServices,
  options: Options,
  report: Report,
): Promise<void> {
  const counts = Object.fromEntries(Object.entries(COUNTS).map(([name, count]) => [name, scaled(count, options)]));
  const work = JSON.stringify({ adapter, concurrency, measures, counts, redisPort, postgresUrl });
  // What it prints must not mix with the figures.
  const child = fork(join(import.meta.dirname, "client.mjs"), [work], { stdio: ["ignore", 2, 2, "ipc"] });
  child.on("message", (figure) => report(figure as Figure));
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`The client of ${adapter} ended with ${String(code)}.`);
}

const PACKAGES = ["bullmq", "pg-boss", "graphile-worker"] as const;

async function conditionsOf(
  { versions }: PeerServices,
  { rounds }: Options,
  { load, minutes }: { readonly load: number; readonly minutes: number },
): Promise<string> {
  const { dependencies } = JSON.parse(await readFile(join(import.meta.dirname, "../package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const gib = Math.round(totalmem() / 1_024 ** 3);
  return [
    `- ${new Date().toISOString().slice(0, 10)}; rounds: ${rounds}; minutes: ${minutes.toFixed(1)}; load of the machine before: ${load.toFixed(1)}`,
    `- ${availableParallelism()} cores, ${gib} GiB, Node ${process.version}`,
    `- ${PACKAGES.map((name) => `${name} ${dependencies[name] ?? ""}`).join(", ")}; ${versions}`,
  ].join("\n");
}
