/** `jobyard system`: the last sweep and the programs of `npm start`; the console of one; a restart. */
import { connect, show, showInstant, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface SystemOptions extends RemoteOptions {
  readonly console?: string;
  readonly restart?: string;
}

export async function system(given: SystemOptions, around: Surroundings): Promise<void> {
  const { console: read, restart, ...options } = given;
  if (read !== undefined && restart !== undefined) throw new UsageError("Give --console or --restart, not both.");
  const { terminal, signal } = around;
  const { monitoring, management } = await connect(options, around);
  if (read !== undefined) {
    const text = await monitoring.getConsole(read, { signal });
    show(terminal, options, { program: read, console: text }, () => text.trimEnd());
    return;
  }
  if (restart !== undefined) {
    const program = await management.restartProgram(restart, { signal });
    show(terminal, options, program, () => `Restart of ${restart} requested.`);
    return;
  }
  const found = await monitoring.getSystem({ signal });
  show(terminal, options, found, () =>
    [
      found.sweptAt === undefined ? "Last sweep: not known" : `Last sweep: ${showInstant(found.sweptAt)}`,
      "",
      table(
        ["program", "state", "restarts", "started"],
        found.programs.map(({ name, state, restartCount, startedAt }) => [
          name,
          state,
          restartCount,
          showInstant(startedAt),
        ]),
        { ...terminal, empty: "No programs. Only npm start lists its programs here." },
      ),
    ].join("\n"),
  );
}
