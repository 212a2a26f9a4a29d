/** `jobyard actions`: one command on many jobs, counted first, then carried out in the background. */
import type { ActionView, JobServiceClient, StartActionBody } from "../../client/index.ts";
import { parseBatchId } from "../../core/job/ids.ts";
import { sleep } from "../../core/sleep.ts";
import { connect, counted, firstOf, show, showInstant, tenantOf, type RemoteOptions } from "../command.ts";
import { JobsFailedError, UsageError } from "../exit-codes.ts";
import { startIn, type StartOptions } from "../input.ts";
import { filterOf, type FilterOptions } from "../job-filter.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface ListOptions extends RemoteOptions {
  readonly tenant?: string;
  readonly limit: number;
}

export async function listActions(options: ListOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const client = await connect(options, around);
  const tenantName = await tenantOf(client, options.tenant, around);
  const { limit } = options;
  const pageSize = Math.min(1_000, limit);
  const items = await firstOf(client.monitoring.getActions(tenantName, { pageSize, signal }), limit);
  show(terminal, options, { items }, () =>
    table(
      ["action", "kind", "state", "jobs", "done", "refused", "failed", "started", { title: "by", shortens: true }],
      items.map(({ actionId, kind, dryRun, state, counts, startedAt, startedBy }) => [
        actionId,
        dryRun ? `${kind} (count)` : kind,
        state,
        ...[counts.matched, counts.done, counts.refused, counts.failed],
        showInstant(startedAt),
        startedBy,
      ]),
      { ...terminal, empty: "No actions." },
    ),
  );
}

interface StartActionOptions extends RemoteOptions, FilterOptions, StartOptions {
  readonly tenant?: string;
  readonly batch?: string;
  readonly tags?: readonly string[];
  readonly yes?: true;
  readonly detach?: true;
}

export async function startAction(
  options: StartActionOptions,
  around: Surroundings,
  kind: StartActionBody["kind"],
): Promise<void> {
  const { terminal, signal } = around;
  const { delayed, since, until, ...words } = filterOf(options);
  const client = await connect(options, around);
  const tenantName = await tenantOf(client, options.tenant, around);
  const body = {
    kind,
    filter: {
      ...words,
      batchId: options.batch,
      ...(delayed && { delayed: true as const }),
      ...(since !== undefined && { since: new Date(since).toISOString() }),
      ...(until !== undefined && { until: new Date(until).toISOString() }),
    },
    ...(options.tags && { tags: [...options.tags] }),
    ...startIn(options),
    dryRun: options.yes !== true,
  };
  const started = await client.management.startAction(tenantName, body, { signal });
  const action = options.detach ? started : await untilEnded(client, started, around);
  show(terminal, options, action, () => describe(action));
  if (action.dryRun && action.counts.matched > 0) terminal.error(`Nothing was changed. To ${kind} them, add --yes.`);
  if (action.state === "failed" || action.counts.failed > 0) throw new JobsFailedError();
}

const LOOK_EVERY_MS = 1_000;

async function untilEnded(
  client: JobServiceClient,
  started: ActionView,
  { signal }: Surroundings,
): Promise<ActionView> {
  let action = started;
  while (action.state === "running") {
    await sleep(LOOK_EVERY_MS, signal);
    signal.throwIfAborted();
    action = await client.monitoring.getAction(action.tenantName, action.actionId, { signal });
  }
  return action;
}

export async function showAction(options: RemoteOptions, around: Surroundings, actionId: string): Promise<void> {
  const { terminal, signal } = around;
  const { monitoring } = await connect(options, around);
  const action = await monitoring.getAction(tenantIn(actionId), actionId, { signal });
  show(terminal, options, action, () => describe(action));
}

export async function stopAction(options: RemoteOptions, around: Surroundings, actionId: string): Promise<void> {
  const { terminal, signal } = around;
  const { management } = await connect(options, around);
  const action = await management.cancelAction(tenantIn(actionId), actionId, { signal });
  show(terminal, options, action, () =>
    action.state === "running" ? "It ends before its next step." : describe(action),
  );
}

/** Throws UsageError. */
function tenantIn(actionId: string): string {
  const tenantName = parseBatchId(actionId)?.tenantName;
  if (tenantName === undefined) throw new UsageError(`${actionId} is not the id of an action.`);
  return tenantName;
}

function describe({ actionId, kind, state, dryRun, counts, startedAt, startedBy, endedAt }: ActionView): string {
  const { matched, done, refused, failed } = counts;
  const outcome = dryRun ? "counted only" : `${done} done, ${refused} refused, ${failed} failed`;
  return [
    `${kind}: ${counted(matched, "job")}, ${outcome}`,
    `  action   ${actionId}`,
    `  state    ${state}`,
    `  started  ${showInstant(startedAt)} by ${startedBy}`,
    ...(endedAt === undefined ? [] : [`  ended    ${showInstant(endedAt)}`]),
  ].join("\n");
}
