/** What commands have in common: the options of those that talk to the service, and how a result is shown. */
import { Command, InvalidArgumentError } from "commander";
import type { JobServiceClient, JobState } from "../client/index.ts";
import { connect, type ConnectionOptions } from "./connection.ts";
import { UsageError } from "./exit-codes.ts";
import { jsonLine } from "./json-line.ts";
import type { Surroundings, Terminal } from "./terminal.ts";

export interface RemoteOptions extends ConnectionOptions {
  readonly json?: true;
}

const command = (name: string, description: string, examples: readonly string[]): Command =>
  new Command(name)
    .description(description)
    .option("--raw", "print escape sequences and control characters as they come, on a terminal too")
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  jobyard ${example}`).join("\n")}`);

export const localCommand = command;

/** With the options of every command that talks to the service. */
export const remoteCommand = (name: string, description: string, examples: readonly string[]): Command =>
  withRemoteOptions(command(name, description, examples));

const withRemoteOptions = (to: Command): Command =>
  to
    .option("--url <address>", "the service (default: JOBYARD_URL, or where you signed in)")
    .option("--json", "print the result as one line of JSON");

/** The result as one line of JSON, or for people. */
export function show(terminal: Terminal, { json }: { readonly json?: true }, value: unknown, text: () => string): void {
  terminal.out(json === true ? jsonLine(value) : text());
}

export { connect };

/** The tenant that is named, or the only one the caller acts for. */
export async function tenantOf(
  client: JobServiceClient,
  named: string | undefined,
  { signal }: Surroundings,
): Promise<string> {
  if (named !== undefined) return named;
  const { grants, allTenants } = await client.monitoring.getMe({ signal });
  const [only, ...others] = grants.map(({ tenantName }) => tenantName);
  if (only !== undefined && others.length === 0 && !allTenants) return only;
  const choices = grants.length === 0 ? "" : `: ${grants.map(({ tenantName }) => tenantName).join(", ")}`;
  throw new UsageError(`Name a tenant with --tenant${choices}.`);
}

export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };

/** The first so many; the rest is not asked for. */
export async function firstOf<T>(items: AsyncIterable<T>, limit: number): Promise<readonly T[]> {
  const found: T[] = [];
  if (limit === 0) return found;
  for await (const item of items) if (found.push(item) >= limit) break;
  return found;
}

export function showState({ paint }: Terminal, state: JobState): string {
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

/** 2030-01-31 08:00:00, in UTC; a dash for what has not happened. */
export const showInstant = (instant: string | undefined): string =>
  instant === undefined ? "-" : instant.slice(0, 19).replace("T", " ");

/** Between two instants, as people say it; a dash while it has no end. */
export function showDuration(from: string, to: string | undefined): string {
  if (to === undefined) return "-";
  const seconds = Math.max(0, Date.parse(to) - Date.parse(from)) / 1_000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function showBytes(bytes: number): string {
  const mebibytes = bytes / 1024 / 1024;
  return mebibytes >= 1 ? `${mebibytes.toFixed(1)} MiB` : `${Math.max(1, Math.round(bytes / 1024))} KiB`;
}
