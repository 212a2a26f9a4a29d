/** `npm run bench -- <component> [--json]`: measures one component and prints the results. */
import { keepLoopbackDirect } from "../runtime/platform/loopback-direct.mjs";

interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** A benchmark reports each figure as soon as it has it. */
export type Benchmark = (report: (figure: Figure) => void) => Promise<void>;

const BENCHMARKS: Readonly<Record<string, () => Promise<{ readonly benchmark: Benchmark }>>> = {
  api: () => import("./api.ts"),
  bus: () => import("./bus.ts"),
  client: () => import("./client.ts"),
  events: () => import("./events.ts"),
  recovery: () => import("./recovery.ts"),
  scheduler: () => import("./scheduler.ts"),
};

const [name = ""] = process.argv.slice(2);
const json = process.argv.includes("--json");
const load = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined;
if (!load) {
  console.error(`Name a component: ${Object.keys(BENCHMARKS).join(", ")}.`);
  process.exit(2);
}

keepLoopbackDirect();
const figures: Figure[] = [];
const { benchmark } = await load();
await benchmark((figure) => {
  figures.push(figure);
  if (!json) console.log(`${figure.name.padEnd(56)} ${figure.value.toLocaleString("en")} ${figure.unit}`);
});
if (json) console.log(JSON.stringify({ component: name, node: process.version, figures }));
