/**
 * A process with everything it has started, found again and ended: its process group and session, children of children,
 * and every process with its mark in the environment, even in a session of its own. A process that has left group, session and
 * parent and also wiped its environment looks like a stranger. Only a user of its own finds it (`job-users.ts`).
 */
import { setImmediate as immediate } from "node:timers/promises";
import { sleep } from "../../../core/sleep.ts";
import { type ProcessEntry, type ProcessTable, createTableReader, readProcessTable } from "./proc-table.ts";

/** The environment variable that marks a process and its descendants. */
export const MARK_VARIABLE = "JOBYARD_PROCESS";

export interface ProcessTree {
  /** The first process; it leads its own group and session. */
  readonly leader: number;
  /** When the leader was started; undefined where there is no /proc. */
  readonly startedAt: number | undefined;
  /** Unique to this tree. */
  readonly mark: string;
  /** The user all of it runs as, and nothing else does; undefined: others run as the same user. */
  readonly uid?: number | undefined;
}

/** Living processes of a tree. */
export function membersOf(tree: ProcessTree, table: ProcessTable): readonly ProcessEntry[] {
  const { leader, startedAt = 0, mark } = tree;
  // Once the leader is gone its number may belong to another process, and group and session numbers with it.
  const isStranger = table.processes.some((entry) => entry.pid === leader && entry.startedAt !== startedAt);
  const younger = table.processes.filter((entry) => !entry.dead && entry.startedAt >= startedAt);
  const members = new Map<number, ProcessEntry>();
  for (const entry of younger) {
    const belongs = entry.group === leader || entry.session === leader;
    if ((belongs && !isStranger) || table.startVariable(entry.pid, MARK_VARIABLE) === mark)
      members.set(entry.pid, entry);
  }
  for (let grown = members.size > 0; grown;) {
    const children = younger.filter((entry) => members.has(entry.parent) && !members.has(entry.pid));
    for (const child of children) members.set(child.pid, child);
    grown = children.length > 0;
  }
  return [...members.values()];
}

export interface TreeKiller {
  /** Ends a tree; resolves when nothing of it runs any more, to the number of processes besides the leader it had to end. */
  clear(tree: ProcessTree): Promise<number>;
  /** Ends every process with such a mark. */
  clearMarked(isWanted: (mark: string) => boolean): Promise<void>;
}

/** Looking at all processes takes at most this share of the time, however many trees end at once. */
const SCAN_SHARE = 0.1;
const LONGEST_PAUSE_MS = 50;

export function createTreeKiller(): TreeKiller {
  let nextTable: Promise<ProcessTable | undefined> | undefined;
  let earliest = 0;
  const readTable = createTableReader();

  /** A snapshot taken after the call. Calls that wait at the same time share one. */
  function freshTable(): Promise<ProcessTable | undefined> {
    nextTable ??= (async () => {
      const wait = earliest - performance.now();
      await (wait > 0 ? sleep(wait) : immediate());
      nextTable = undefined;
      const before = performance.now();
      const table = readTable();
      const after = performance.now();
      earliest = after + (after - before) / SCAN_SHARE;
      return table;
    })();
    return nextTable;
  }

  /** Kills what `find` finds until it finds nothing; resolves to how many different processes that were. */
  async function clearAll(
    read: () => Promise<ProcessTable | undefined>,
    find: (table: ProcessTable) => readonly ProcessEntry[],
  ): Promise<Set<number>> {
    const killed = new Set<number>();
    for (let pause = 1; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const table = await read();
      if (table === undefined) return killed;
      const found = find(table);
      if (found.length === 0) return killed;
      for (const { pid } of found) {
        killed.add(pid);
        signal(pid, "SIGKILL");
      }
      await sleep(pause);
    }
  }

  return {
    async clear(tree) {
      // First by descent, while parents are still there to be recognised; then the group at once, against those that
      // multiply; then whatever is left.
      const killed = await clearAll(freshTable, (table) => {
        const members = membersOf(tree, table);
        if (members.some(({ group }) => group === tree.leader)) signal(-tree.leader, "SIGKILL");
        return members;
      });
      if (tree.startedAt === undefined) await clearGroup(tree.leader);
      killed.delete(tree.leader);
      return killed.size;
    },

    async clearMarked(isWanted) {
      // What an earlier worker left is older than this one.
      const read = (): Promise<ProcessTable | undefined> => Promise.resolve(readProcessTable());
      await clearAll(read, (table) =>
        table.processes.filter(({ pid, dead }) => {
          const mark = dead || pid === process.pid ? undefined : table.startVariable(pid, MARK_VARIABLE);
          return mark !== undefined && isWanted(mark);
        }),
      );
    },
  };
}

/** Without /proc the group is all there is to go by. */
async function clearGroup(leader: number): Promise<void> {
  while (signal(-leader, "SIGKILL")) await sleep(10);
}

/** Whether there was a process to receive it. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}
