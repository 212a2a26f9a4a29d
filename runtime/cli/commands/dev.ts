/** `jobyard dev <folder…>`: publishes packages at every save, and shows what becomes of their jobs. */
import { basename } from "node:path";
import process from "node:process";
import { messageOf } from "../../core/errors.ts";
import { DEMO_TENANT } from "../../local/demo/demo.ts";
import { currentPlatform } from "../../worker/package-cache/unpack.ts";
import { type Builder, type BuilderDeps, createBuilder } from "../dev/builder.ts";
import { asJson, asText, type DevEvent, type Problem } from "../dev/dev-event.ts";
import { watchFolder } from "../dev/folder-watch.ts";
import { INSPECT_PORT, devHints, inspectHints } from "../dev/hints.ts";
import { type JobFeed, followJobs } from "../dev/job-feed.ts";
import { readKeys } from "../dev/keys.ts";
import { type LocalSystem, openLocalSystem } from "../dev/local-system.ts";
import { type PackageFolder, packageFolders } from "../dev/package-folders.ts";
import { runAgain } from "../dev/run-again.ts";
import { checkTypes } from "../dev/type-check.ts";
import { InterruptedError } from "../exit-codes.ts";
import { type Surroundings, jsonLine } from "../terminal.ts";

interface DevOptions {
  /** True: at the usual port. */
  readonly inspect?: number | true;
  readonly port?: number;
  readonly identityPort?: number;
  readonly json?: true;
}

export async function dev(options: DevOptions, around: Surroundings, given: readonly string[]): Promise<void> {
  const { terminal } = around;
  const folders = await packageFolders(given);
  const port = options.inspect === true ? INSPECT_PORT : options.inspect;
  const sources = Object.fromEntries(folders.map(({ name, directory }) => [`${name}.zip`, directory]));
  const inspect = port === undefined ? undefined : { port, sources };
  const system = await openLocalSystem({ ...options, inspect }, around);
  if (system.joined)
    terminal.error(`Joined the local system at ${system.running.apiUrl}. It goes on to run afterwards.`);
  if (port !== undefined) for (const line of inspectHints(port)) terminal.error(line);
  await work(folders, system, options, around);
}

/** Until `q`, Ctrl-C, or the end of the system, which it stops. */
async function work(
  folders: readonly PackageFolder[],
  system: LocalSystem,
  { json }: DevOptions,
  around: Surroundings,
): Promise<void> {
  const { terminal } = around;
  const { client, running } = system;
  const cwd = process.cwd();
  const closing = new AbortController();
  const isOver = (): boolean => closing.signal.aborted;
  const tell = (event: DevEvent): void => {
    const text = json === true ? jsonLine(asJson(event)) : asText(event, { ...around.terminal, cwd });
    if (text !== undefined) terminal.out(text);
  };
  const notice = (problem: unknown): void => {
    if (!closing.signal.aborted) terminal.error(`${terminal.paint("yellow", "!")} ${messageOf(problem)}`);
  };
  const builders = await buildersOf(folders, client, tell, closing.signal);
  const all = [...builders.values()];
  const toClose: { close(): void }[] = [{ close: () => closing.abort() }];
  const over = untilOver(around.signal, system.ended);
  toClose.push(over);

  let feed: JobFeed | undefined;
  /** What is opened after the end is closed at once. */
  const keep = (open: { close(): void } | undefined): void => {
    if (open !== undefined) toClose.push(open);
    if (isOver()) open?.close();
  };

  async function run(): Promise<void> {
    feed = await followJobs({
      client,
      tenantName: DEMO_TENANT,
      folderOf: (packageName) => folders.find(({ name }) => `${name}.zip` === packageName)?.directory,
      // Before its first version is packed, a package can have any type: jobs of the time before may run already.
      hasType: (jobType) => all.some(({ published }) => published?.jobTypes.includes(jobType) ?? true),
      tell,
      onProblem: notice,
    });
    if (isOver()) {
      feed.close();
      return;
    }
    for (const [directory, builder] of builders) {
      // Before the first version is packed, so that no save is overlooked.
      const onChange = ({ savedAt = Date.now() }): void => void builder.build(savedAt);
      keep(await watchFolder({ directory, onChange, onProblem: notice }));
    }
    await Promise.all(all.map((builder) => builder.build()));
    if (isOver()) return;
    keep(readKeys(around, onKey(feed)));
    const published = all.flatMap((builder) => builder.published ?? []);
    for (const line of devHints({ folders, published, running })) terminal.error(line);
    // Last, because the first check of a folder takes seconds of a processor.
    for (const directory of builders.keys()) {
      const onProblem = (problem: string): void => notice(`${basename(directory)}: types are not checked: ${problem}`);
      keep(checkTypes({ directory, onErrors: onTypeErrors(directory, tell), onProblem }));
    }
  }

  /** One after the other, so that a key that is held down does not flood the system. */
  function onKey(feed: JobFeed): (key: string) => void {
    let again: Promise<unknown> = Promise.resolve();
    return (key) => {
      if (key === "q") over.end();
      if (key !== "r") return;
      const { latest } = feed;
      if (latest === undefined) notice("No job of these packages has run yet. Submit one first.");
      else again = again.then(() => runAgain(client, latest)).catch(notice);
    };
  }

  try {
    await Promise.race([run().then(() => over.ended), over.ended]);
  } finally {
    for (const open of toClose) open.close();
    await system.stop();
    // Afterwards, so that jobs that end meanwhile are told.
    feed?.close();
  }
}

async function buildersOf(
  folders: readonly PackageFolder[],
  { management }: LocalSystem["client"],
  tell: (event: DevEvent) => void,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Builder>> {
  const { packPackage } = await import("../../package/build/pack.ts");
  const builders = folders.map(({ directory }): [string, Builder] => {
    const pack = () => packPackage({ directory, target: currentPlatform() });
    const publish: BuilderDeps["publish"] = (packageName, zip) =>
      management.publishPackage(DEMO_TENANT, packageName, zip, { signal });
    return [directory, createBuilder({ directory, pack, publish, tell, signal, now: Date.now })];
  });
  return new Map(builders);
}

/** A folder without errors is told only if it had some. */
function onTypeErrors(folder: string, tell: (event: DevEvent) => void): (errors: readonly Problem[]) => void {
  let before = "[]";
  return (errors) => {
    const now = JSON.stringify(errors);
    if (now !== before) tell({ eventType: "typesChecked", folder, errors });
    before = now;
  };
}

interface Over {
  /** Rejects after Ctrl-C, and if the system ends. */
  readonly ended: Promise<undefined>;
  end(): void;
  close(): void;
}

function untilOver(signal: AbortSignal, systemEnded: Promise<void>): Over {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const give = (): void => reject(new InterruptedError());
  signal.addEventListener("abort", give, { once: true });
  if (signal.aborted) give();
  void systemEnded.then(() => reject(new Error("The local system has ended.")));
  return { ended: promise, end: () => resolve(undefined), close: () => signal.removeEventListener("abort", give) };
}
