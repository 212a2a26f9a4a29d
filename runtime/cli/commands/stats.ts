/** `jobyard stats`: what `npm start` did in the last hour, once or live. */
import { clearScreenDown, cursorTo } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { show } from "../command.ts";
import { recentTelemetry } from "../recent-telemetry.ts";
import { marksFor, statsText } from "../stats-text.ts";
import { type Surroundings, jsonLine } from "../terminal.ts";

interface StatsOptions {
  readonly json?: true;
  readonly watch?: true;
  readonly minutes?: number;
}

const LOOK_EVERY_MS = 2_000;

export async function stats({ json, watch, minutes }: StatsOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const telemetry = await recentTelemetry(around);
  const look = () => telemetry.stats({ marks: marksFor(terminal.columns), minutes });
  if (watch === undefined) {
    const found = await look();
    show(terminal, { ...(json && { json }) }, found, () => statsText(found, terminal));
    return;
  }
  for (;;) {
    const found = await look();
    if (json === undefined) frame(statsText(found, terminal), around);
    else terminal.out(jsonLine(found));
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

/** On a terminal a frame replaces the one before. What does not fit is left out, because the screen would scroll. */
function frame(text: string, { terminal: { screen, columns, out } }: Surroundings): void {
  if (screen === undefined || !Number.isFinite(columns)) {
    out(`${text}\n`);
    return;
  }
  const rows = text.split("\n").slice(0, screen.rows - 1);
  cursorTo(screen, 0, 0);
  clearScreenDown(screen);
  out(rows.join("\n"));
}
