/** `jobyard pause`, `jobyard resume` and `jobyard pauses`: hold a tenant, a job type, a pool or a queue, and let it go on. */
import { type PauseSubject, type PausedSubject, pauseName } from "../../core/admission/pause.ts";
import { PRIORITIES } from "../../core/job/priority.ts";
import type { JobServiceClient, PauseView } from "../../client/index.ts";
import { type RemoteOptions, connect, show, showInstant, tenantOf } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface PauseOptions extends RemoteOptions {
  readonly tenant?: string;
  readonly type?: string;
  readonly pool?: string;
  readonly queue?: string;
  readonly reason?: string;
}

/** Pauses one thing. */
export async function pause(options: PauseOptions, around: Surroundings): Promise<void> {
  const client = await connect(options, around);
  const subject = await subjectOf(client, options, around);
  const { reason } = options;
  const made = await client.pauses.pause(subject, reason === undefined ? {} : { reason }, around);
  show(around.terminal, options, made, () => `Paused: ${pauseName(subject)}. Running jobs go on; new ones wait.`);
}

/** Resumes one thing. */
export async function resume(options: PauseOptions, around: Surroundings): Promise<void> {
  const client = await connect(options, around);
  const subject = await subjectOf(client, options, around);
  await client.pauses.resume(subject, around);
  show(around.terminal, options, { resumed: subject }, () => `Resumed: ${pauseName(subject)}.`);
}

/** Lists what is paused. */
export async function pauses(options: RemoteOptions, around: Surroundings): Promise<void> {
  const { terminal } = around;
  const items = await (await connect(options, around)).pauses.list(around);
  show(terminal, options, { items }, () =>
    table(
      [{ title: "paused", shortens: true }, "since", "by", { title: "reason", shortens: true }],
      items.map((one) => [pauseName(subjectIn(one)), showInstant(one.pausedAt), one.pausedBy, one.reason ?? "-"]),
      { ...terminal, empty: "Nothing is paused." },
    ),
  );
}

async function subjectOf(
  client: JobServiceClient,
  { tenant, type, pool, queue }: PauseOptions,
  around: Surroundings,
): Promise<PauseSubject> {
  if ([tenant ?? type, pool, queue].filter((given) => given !== undefined).length !== 1) {
    throw new UsageError("Name one of --tenant, --type, --pool and --queue. --type can be used with --tenant.");
  }
  if (pool !== undefined) return { kind: "pool", pool };
  if (queue !== undefined) {
    const [name, word] = queue.split("/");
    const priority = PRIORITIES.find((one) => one === word);
    if (name === undefined || priority === undefined || queue.split("/").length !== 2) {
      throw new UsageError(`--queue takes a pool and a priority, such as default/low: ${PRIORITIES.join(", ")}.`);
    }
    return { kind: "queue", pool: name, priority };
  }
  const tenantName = await tenantOf(client, tenant, around);
  return type === undefined ? { kind: "tenant", tenantName } : { kind: "type", tenantName, jobType: type };
}

/** A view has the fields of its kind. */
function subjectIn({ kind, tenantName = "", jobType = "", pool = "", priority = "normal" }: PauseView): PausedSubject {
  switch (kind) {
    case "tenant":
    case "erasure":
      return { kind, tenantName };
    case "type":
      return { kind, tenantName, jobType };
    case "pool":
      return { kind, pool };
    case "queue":
      return { kind, pool, priority };
  }
}
