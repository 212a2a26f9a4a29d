/**
 * What Linux knows about running processes: parent, group and session of each, and the environment it was started
 * with. Reading is synchronous (a few microseconds a process); a snapshot serves all calls at the same time.
 */
import { closeSync, openSync, readFileSync, readSync, readdirSync, statSync } from "node:fs";

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot: with the pid it names a process for good, because pids are used again. */
  readonly startedAt: number;
  /** Dead, and not yet collected by its parent. One whose first thread alone has ended still runs. */
  readonly dead: boolean;
  /** Memory it occupies now; what it shares with others counts for each. */
  readonly residentBytes: number;
}

export interface ProcessTable {
  readonly processes: readonly ProcessEntry[];
  /** The value of a variable in the environment a process was started with; undefined if it has none or is not ours. */
  startVariable(pid: number, name: string): string | undefined;
}

/** Undefined where there is no /proc (macOS). `skip`: processes not to look at. */
export function readProcessTable(skip?: ReadonlySet<number>): ProcessTable | undefined {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return undefined;
  }
  const pids = names.filter(isNumber).map(Number);
  if (pids.length === 0) return undefined;
  const wanted = skip === undefined ? pids : pids.filter((pid) => !skip.has(pid));
  const processes = wanted.map(readEntry).filter(exists);
  const environments = new Map<number, string>();
  return {
    processes,
    startVariable(pid, name) {
      let environment = environments.get(pid);
      if (environment === undefined) environments.set(pid, (environment = readEnvironment(pid)));
      const start = environment.indexOf(`\0${name}=`);
      if (start < 0) return undefined;
      const value = start + name.length + 2;
      return environment.slice(value, environment.indexOf("\0", value));
    },
  };
}

const isNumber = (name: string): boolean => name >= "0" && name < ":";
const exists = <T>(value: T | undefined): value is T => value !== undefined;

const buffer = Buffer.alloc(1024);

/** One process by its pid; undefined when it is gone. */
export function readEntry(pid: number): ProcessEntry | undefined {
  let text: string;
  try {
    const file = openSync(`/proc/${pid}/stat`, "r");
    try {
      text = buffer.toString("latin1", 0, readSync(file, buffer));
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
  // "pid (name) state parent group session …": the name may itself hold spaces and brackets.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const number = (index: number): number => Number(fields[index]);
  return {
    pid,
    parent: number(1),
    group: number(2),
    session: number(3),
    startedAt: number(19),
    dead: fields[0] === "X" || (fields[0] === "Z" && number(17) <= 1),
    residentBytes: number(21) * (pageBytes ??= readPageBytes()),
  };
}

/** Who runs a process; undefined when it is gone. The folder belongs to that user, whatever is closed in it. */
export function userOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
}

/** Living processes of a user. */
export const processesOf = (uid: number): readonly number[] =>
  readdirSync("/proc")
    .filter(isNumber)
    .map(Number)
    .filter((pid) => userOf(pid) === uid && readEntry(pid)?.dead === false);

let pageBytes: number | undefined;

/** From the table the kernel gives every process at its start: pairs of a key and a value, in machine words. */
function readPageBytes(): number {
  const PAGE_SIZE_KEY = 6n;
  try {
    const table = readFileSync("/proc/self/auxv");
    for (let at = 0; at + 16 <= table.length; at += 16) {
      if (table.readBigUInt64LE(at) === PAGE_SIZE_KEY) return Number(table.readBigUInt64LE(at + 8));
    }
  } catch {
    // A kernel that does not show it has the usual size.
  }
  return 4_096;
}

/** How long a pid is taken for the process it last was: numbers come round again, but not that fast. */
const PID_MEMORY_MS = 1_000;

/** Reads the table without processes older than this one: most of a machine, and none of them its child. */
export function createTableReader(): () => ProcessTable | undefined {
  const ourStart = readEntry(process.pid)?.startedAt ?? 0;
  let ancient: ReadonlySet<number> = new Set();
  let ancientUntil = 0;
  return () => {
    const now = performance.now();
    if (now < ancientUntil) return readProcessTable(ancient);
    const table = readProcessTable();
    ancient = new Set(table?.processes.filter(({ startedAt }) => startedAt < ourStart).map(({ pid }) => pid));
    ancientUntil = now + PID_MEMORY_MS;
    return table;
  };
}

/** Begins with a NUL, so that every variable stands between two. */
function readEnvironment(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, "latin1")}\0`;
  } catch {
    return "\0";
  }
}
