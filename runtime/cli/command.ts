/** Shared by the commands: options for calls to the service, and the output of results. */
import type { JobServiceClient, JobState, MeView } from "../client/index.ts";
import { connect, LONG, type ConnectionOptions } from "./connection.ts";
import { UsageError } from "./exit-codes.ts";
import { closestName } from "../core/text.ts";
import { type Surroundings, type Terminal, jsonLine, jsonResult } from "./terminal.ts";

export interface RemoteOptions extends ConnectionOptions {
  readonly json?: true;
}

/** Prints the result as JSON or as text. */
export function show(terminal: Terminal, { json }: { readonly json?: true }, value: unknown, text: () => string): void {
  terminal.out(json === true ? jsonResult(value, terminal) : text());
}

export { connect, LONG };

export const tenantsOf = ({ grants }: MeView): readonly string[] => grants.map(({ tenantName }) => tenantName);

/**
 * The given tenant, or the caller's only one. For a tenant without a grant the service returns empty lists, so this throws
 * UsageError with the caller's tenants instead.
 */
export async function tenantOf(
  client: JobServiceClient,
  named: string | undefined,
  { signal }: Surroundings,
): Promise<string> {
  const me = await client.monitoring.getMe({ signal });
  const known = tenantsOf(me);
  if (named !== undefined) {
    if (me.allTenants || known.includes(named)) return named;
    const meant = closestName(named, known);
    throw new UsageError(
      `You have no grant on the tenant ${named}.${meant === undefined ? "" : ` Did you mean ${meant}?`} ${yours(known)}`,
    );
  }
  const [only, ...others] = known;
  if (only !== undefined && others.length === 0 && !me.allTenants) return only;
  throw new UsageError(`Name a tenant with --tenant. ${me.allTenants ? "jobyard tenants lists them." : yours(known)}`);
}

const yours = (known: readonly string[]): string =>
  known.length === 0
    ? "You have no grants yet. An administrator adds one with jobyard grants <tenant> --grant <your object id>. jobyard whoami shows your object id."
    : `Your tenants: ${known.join(", ")}.`;

/** 1 job, 2 jobs. */
export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** A value as JSON: on one line if it fits, otherwise indented below a label of this width. */
export function showValue(value: unknown, { columns }: Pick<Terminal, "columns">, indent: number): string {
  const line = jsonLine(value);
  if (line.length <= columns - indent) return line;
  return jsonLine(value, 2).replaceAll("\n", `\n${" ".repeat(indent)}`);
}

/** The first items. The rest is not requested. */
export async function firstOf<T>(items: AsyncIterable<T>, limit: number): Promise<readonly T[]> {
  const found: T[] = [];
  if (limit === 0) return found;
  for await (const item of items) if (found.push(item) >= limit) break;
  return found;
}

export function showState({ paint }: Pick<Terminal, "paint">, state: JobState): string {
  switch (state) {
    case "succeeded":
      return paint("green", state);
    case "failed":
      return paint("red", state);
    case "canceled":
      return paint("yellow", state);
    case "running":
      return paint("cyan", state);
    case "queued":
      return state;
  }
}

/** 2030-01-31 08:00:00, in UTC; a dash if it is absent. */
export const showInstant = (instant: string | undefined): string =>
  instant === undefined ? "-" : instant.slice(0, 19).replace("T", " ");

/** Time between two instants, for people; a dash without an end. */
export function showDuration(from: string, to: string | undefined): string {
  if (to === undefined) return "-";
  return showSeconds(Math.max(0, Date.parse(to) - Date.parse(from)) / 1_000);
}

/** 4.2 ms, 820 ms, 4.25 s, 30 s, 3 min 5 s, 2 h 5 min. */
export function showSeconds(seconds: number): string {
  if (seconds > 0 && seconds < 0.9995) {
    return `${seconds < 0.00995 ? (seconds * 1_000).toFixed(1) : Math.round(seconds * 1_000)} ms`;
  }
  if (seconds < 59.95) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return [`${minutes} min`, ...(whole % 60 === 0 ? [] : [`${whole % 60} s`])].join(" ");
  return [`${Math.floor(minutes / 60)} h`, ...(minutes % 60 === 0 ? [] : [`${minutes % 60} min`])].join(" ");
}

/** In exactly so many columns. */
export const fit = (text: string, width: number): string => cut(text, width).padEnd(width);

/** In at most so many columns, with a mark where it was cut. */
export const cut = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text;

export function showBytes(bytes: number): string {
  const mebibytes = bytes / 1024 / 1024;
  return mebibytes >= 1 ? `${mebibytes.toFixed(1)} MiB` : `${Math.max(1, Math.round(bytes / 1024))} KiB`;
}

/** The frames of a failure, one a line, indented. */
export const framesOf = ({ stack }: { readonly stack?: string | undefined }, indent: number): readonly string[] =>
  stack === undefined ? [] : stack.split("\n").map((frame) => " ".repeat(indent) + frame);
