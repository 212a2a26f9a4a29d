/** `jobyard dead-letters`: what the broker has set aside, and removing one of it. */
import type { Command } from "commander";
import { connect, firstOf, remoteCommand, show, showInstant, wholeNumber, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface DeadLettersOptions extends RemoteOptions {
  readonly tenant?: string;
  readonly pool?: string;
  readonly poison?: true;
  readonly limit: number;
  readonly remove?: string;
}

export const deadLettersCommand = (around: Surroundings): Command =>
  remoteCommand("dead-letters", "List the records of failed jobs, with their reasons; or remove one.", [
    "dead-letters --tenant demo",
    "dead-letters --remove jobs-default-normal/42",
    "requeue <jobId>                 # runs such a job again",
  ])
    .option("-t, --tenant <name>", "only this tenant's")
    .option("--pool <name>", "of this worker pool (default: default)")
    .option("--poison", "also messages no worker can read; for administrators")
    .option("-n, --limit <count>", "at most so many", wholeNumber(1, 5_000), 50)
    .option("--remove <queue/number>", "remove this one")
    .action(async ({ tenant, pool, poison, limit, remove, ...options }: DeadLettersOptions) => {
      const { terminal, signal } = around;
      const { monitoring, management } = await connect(options, around);
      if (remove !== undefined) {
        const [, queue, number] = /^([^/]+)\/(\d+)$/.exec(remove) ?? [];
        if (queue === undefined || number === undefined)
          throw new UsageError("Name it as the list does: --remove jobs-default-normal/42");
        await management.removeDeadLetter(queue, number, { signal });
        show(terminal, options, { removed: remove }, () => `Removed ${remove}.`);
        return;
      }
      const items = await firstOf(monitoring.getDeadLetters({ tenantName: tenant, pool, poison, signal }), limit);
      show(terminal, options, { items }, () =>
        table(
          ["letter", "job", "type", "since", { title: "reason", shortens: true }],
          items.map((letter) => [
            `${letter.queue}/${letter.sequenceNumber}`,
            letter.jobId ?? "-",
            letter.jobType ?? "-",
            showInstant(letter.enqueuedAt),
            [letter.reason, letter.description].filter(Boolean).join(": "),
          ]),
          { ...terminal, empty: "No dead letters." },
        ),
      );
    });
