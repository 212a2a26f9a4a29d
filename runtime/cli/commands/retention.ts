/** `jobyard retention <tenant>`: how long what is left of a tenant's jobs is kept. */
import type { RetentionView } from "../../client/index.ts";
import { TERMINAL_STATES, type TerminalState } from "../../core/job/states.ts";
import { connect, show, showInstant, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings, Terminal } from "../terminal.ts";

interface RetentionOptions extends RemoteOptions {
  readonly jobs?: number;
  readonly logs?: number;
  readonly files?: number;
  readonly outcome?: TerminalState;
  readonly deadLetters?: number;
  readonly defaults?: true;
}

/** Shows it, or changes the parts that are named. */
export async function retention(options: RetentionOptions, around: Surroundings, tenantName: string): Promise<void> {
  const { terminal, signal } = around;
  const { jobs, logs, files, outcome, deadLetters, defaults } = options;
  const changesOutcomes = jobs !== undefined || logs !== undefined || files !== undefined;
  const changes = changesOutcomes || deadLetters !== undefined;
  if (defaults && changes) throw new UsageError("--defaults and days exclude each other.");
  if (outcome !== undefined && !changesOutcomes) throw new UsageError("Add --jobs, --logs or --files to --outcome.");
  const { monitoring, management } = await connect(options, around);
  if (defaults) await management.deleteRetention(tenantName, { signal });
  const current = await monitoring.getRetention(tenantName, { signal });
  if (!changes) {
    show(terminal, options, current, () => textOf(current, terminal));
    return;
  }
  const changed = (state: TerminalState) => {
    const { rowDays, logDays, fileDays } = current[state];
    if (outcome !== undefined && outcome !== state) return { rowDays, logDays, fileDays };
    return { rowDays: jobs ?? rowDays, logDays: logs ?? logDays, fileDays: files ?? fileDays };
  };
  const wanted = {
    ...{ succeeded: changed("succeeded"), failed: changed("failed"), canceled: changed("canceled") },
    deadLetterDays: deadLetters ?? current.deadLetterDays,
  };
  const made = await management.putRetention(tenantName, wanted, { signal });
  show(terminal, options, made, () => textOf(made, terminal));
}

const daysText = (days: number): string => (days === 0 ? "for ever" : days === 1 ? "1 day" : `${days} days`);

function textOf(one: RetentionView, terminal: Terminal): string {
  const rows = TERMINAL_STATES.map((state) => {
    const { rowDays, logDays, fileDays } = one[state];
    return [state, daysText(rowDays), daysText(logDays), daysText(fileDays)];
  });
  const { changedAt, changedBy, deadLetterDays } = one;
  const letters = deadLetterDays === 0 ? "as long as failed jobs" : daysText(deadLetterDays);
  return [
    table(["jobs that", "rows", "logs", "artifacts"], rows, { ...terminal, empty: "" }),
    `Dead letters: ${letters}.`,
    changedAt === undefined ? "These are the defaults." : `Set ${showInstant(changedAt)} by ${changedBy}.`,
  ].join("\n");
}
