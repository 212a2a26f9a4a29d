/**
 * What Linux tells about running processes: who is whose child, group and session, and the environment each was started
 * with. Reading is synchronous (a few microseconds a process); a snapshot serves everybody who asks at the same time.
 */
import { closeSync, openSync, readFileSync, readSync, readdirSync } from "node:fs";

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot: with the pid it names a process for good, because pids are used again. */
  readonly startedAt: number;
  /** Dead, and not yet collected by its parent. */
  readonly dead: boolean;
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
    dead: fields[0] === "Z" || fields[0] === "X",
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
