/** `jobyard dead-letters`: lists dead letters, or removes one. */
import { connect, firstOf, show, showInstant, tenantOf, type RemoteOptions } from "../command.ts";
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

export async function deadLetters(given: DeadLettersOptions, around: Surroundings): Promise<void> {
  const { tenant, pool, poison, limit, remove, ...options } = given;
  const { terminal, signal } = around;
  const client = await connect(options, around);
  const { monitoring, management } = client;
  if (remove !== undefined) {
    const [, queue, number] = /^([^/]+)\/(\d+)$/.exec(remove) ?? [];
    if (queue === undefined || number === undefined)
      throw new UsageError("Use the form of the list: --remove jobs-default-normal/42");
    await management.removeDeadLetter(queue, number, { signal });
    show(terminal, options, { removed: remove }, () => `Removed ${remove}.`);
    return;
  }
  const tenantName = tenant === undefined ? undefined : await tenantOf(client, tenant, around);
  const items = await firstOf(monitoring.getDeadLetters({ tenantName, pool, poison, signal }), limit);
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
}
