/** `jobyard tenants erase`: remove a tenant and everything that is stored of it. */
import { type ErasureView, isJobServiceError } from "../../client/index.ts";
import { sleep } from "../../core/sleep.ts";
import { LONG, type RemoteOptions, connect, counted, show, showInstant } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import type { Surroundings } from "../terminal.ts";

interface EraseOptions extends RemoteOptions {
  readonly confirm?: string;
  readonly detach?: true;
}

const LOOK_EVERY_MS = 1_000;

export async function eraseTenant(options: EraseOptions, around: Surroundings, tenantName: string): Promise<void> {
  const { terminal, signal } = around;
  const { confirm, detach } = options;
  if (confirm !== undefined && confirm !== tenantName) {
    throw new UsageError(`--confirm must be the tenant's name, ${tenantName}.`);
  }
  const { monitoring, management } = await connect(options, around, LONG);
  const look = (): Promise<ErasureView> => monitoring.getErasure(tenantName, { signal });
  if (confirm === undefined) {
    const last = await look().catch((error: unknown) => {
      if (isJobServiceError(error) && error.code === "ErasureNotFound") throw new UsageError(howTo(tenantName));
      throw error;
    });
    show(terminal, options, last, () => describe(last));
    return;
  }
  let erasure = await management.eraseTenant(tenantName, confirm, { signal });
  let said = "";
  while (!detach && erasure.state !== "done") {
    const step = progressOf(erasure);
    if (step !== said) terminal.error(step);
    said = step;
    await sleep(LOOK_EVERY_MS, signal);
    signal.throwIfAborted();
    erasure = await look();
  }
  show(terminal, options, erasure, () => describe(erasure));
}

const howTo = (tenantName: string): string =>
  `Tenant ${tenantName} was never erased. To cancel its jobs and remove everything that is stored of it, for good, add --confirm ${tenantName}.`;

const total = ({ removed }: ErasureView): number => Object.values(removed).reduce((sum, count) => sum + count, 0);

function progressOf(erasure: ErasureView): string {
  const { state, open, canceled } = erasure;
  if (state === "removing") return `Removing: ${total(erasure)} rows and files are gone.`;
  return open > 0
    ? `Stopping: ${counted(canceled, "job")} canceled, waiting for ${counted(open, "job")} to end.`
    : `Stopping: looking for jobs that have not ended; ${canceled} canceled.`;
}

function describe(erasure: ErasureView): string {
  const { tenantName, state, startedAt, startedBy, endedAt, canceled, removed } = erasure;
  const things = Object.entries(removed).filter(([, count]) => count > 0);
  const width = Math.max(0, ...things.map(([thing]) => thing.length));
  return [
    state === "done" ? `Tenant ${tenantName} is erased.` : progressOf(erasure),
    `  started   ${showInstant(startedAt)} by ${startedBy}`,
    ...(endedAt === undefined ? [] : [`  ended     ${showInstant(endedAt)}`]),
    `  canceled  ${counted(canceled, "job")}`,
    ...(things.length === 0 ? ["  removed   nothing"] : ["  removed"]),
    ...things.map(([thing, count]) => `    ${thing.padEnd(width)}  ${count}`),
    ...(state === "done" ? ["Entries of the audit stay until they expire."] : []),
  ].join("\n");
}
