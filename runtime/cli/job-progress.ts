/** One job under way, as a person sees it: a line that moves on a terminal, else a line whenever something changes. */
import CliProgress from "cli-progress";
import type { JobView } from "../client/index.ts";
import { printable } from "../core/plain-text.ts";
import type { Terminal } from "./terminal.ts";

export interface JobProgress {
  look(job: JobView): void;
  stop(): void;
}

export const jobProgress = (terminal: Terminal): JobProgress =>
  terminal.screen === undefined ? changes(terminal) : movingLine(terminal.screen);

/** Plain lines are written at every tenth of the way. */
const PLAIN_STEPS = 10;

function changes({ error }: Terminal): JobProgress {
  let last = "";
  return {
    look(job) {
      const { fraction, text } = job.progress ?? {};
      const step = `${stateOf(job)} ${Math.floor((fraction ?? 0) * PLAIN_STEPS)} ${fraction === undefined ? text : ""}`;
      if (step === last) return;
      last = step;
      error(`  ${describe(job)}`);
    },
    stop: () => undefined,
  };
}

/** What stands beside the bar at least: share, time, spaces. */
const BESIDE_BAR = 24;
const BAR_MAX = 28;
const TEXT_MIN = 20;

function movingLine(stream: NodeJS.WriteStream): JobProgress {
  const barsize = Math.max(6, Math.min(BAR_MAX, stream.columns - BESIDE_BAR - TEXT_MIN));
  const room = Math.max(0, stream.columns - BESIDE_BAR - barsize);
  const bar = new CliProgress.SingleBar(
    {
      format: "  {bar} {percentage}%, {duration_formatted}, {text}",
      stream,
      barsize,
      hideCursor: true,
      clearOnComplete: true,
    },
    CliProgress.Presets.shades_classic,
  );
  let isShown = false;
  return {
    look(job) {
      const { fraction = 0, text = "" } = job.progress ?? {};
      // The bar writes past the terminal's filter, and a line that is too long would leave its beginnings behind.
      const words = printable(job.state === "running" && text !== "" ? text : stateOf(job));
      const shown = { text: words.replace(/\s+/g, " ").slice(0, room) };
      if (!isShown) bar.start(100, 0, shown);
      isShown = true;
      bar.update(Math.round(Math.min(1, Math.max(0, share(fraction))) * 100), shown);
    },
    stop: () => bar.stop(),
  };
}

/** The service's JSON says what it is, not its type. */
const share = (fraction: unknown): number => Number(fraction) || 0;

function describe(job: JobView): string {
  const { fraction, text = "" } = job.state === "running" ? (job.progress ?? {}) : {};
  const share = fraction === undefined ? "" : `${Math.round(fraction * 100)}%`;
  return [stateOf(job), share, text].filter(Boolean).join(" ");
}

function stateOf({ state, attempts, runAt, cancelWanted }: JobView): string {
  if (state === "queued" && runAt !== undefined) return `queued, not before ${runAt.slice(0, 19).replace("T", " ")}`;
  if (state === "running" && cancelWanted) return "running, asked to end";
  return attempts > 1 ? `${state}, attempt ${attempts}` : state;
}
