/** Watches over processes: how much memory they use, whether they show signs of life, whether they answer. */
import { MEMORY_CHECK_MS } from "../../core/limits.ts";
import { PINGS_UNTIL_BLOCKED } from "./process-limits.ts";
import { type ProcessTable, createTableReader, userOf } from "./os/proc-table.ts";
import { MARK_VARIABLE, type ProcessTree } from "./os/process-tree.ts";

/** Reads the memory of all watched processes and their descendants at once, again and again. */
export interface MemoryWatch {
  /** Calls back after every reading. The returned function ends the watch. Does nothing where there is no /proc. */
  watch(tree: ProcessTree, onBytes: (bytes: number) => void): () => void;
}

export function createMemoryWatch(readTable: () => ProcessTable | undefined = createTableReader()): MemoryWatch {
  const watched = new Map<ProcessTree, (bytes: number) => void>();
  let timer: NodeJS.Timeout | undefined;

  function read(): void {
    const table = readTable();
    if (table === undefined) return;
    for (const [tree, bytes] of memoryOf([...watched.keys()], table)) watched.get(tree)?.(bytes);
  }

  return {
    watch(tree, onBytes) {
      watched.set(tree, onBytes);
      timer ??= setInterval(read, MEMORY_CHECK_MS);
      return () => {
        watched.delete(tree);
        if (watched.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
  };
}

/**
 * The memory of every tree, in one pass. A process belongs to the tree of its group or session, of its mark, of its user,
 * or of its parent. (`membersOf` decides more carefully which processes to end.)
 */
export function memoryOf(trees: readonly ProcessTree[], table: ProcessTable): Map<ProcessTree, number> {
  const byLeader = new Map(trees.map((tree) => [tree.leader, tree]));
  const byMark = new Map(trees.map((tree) => [tree.mark, tree]));
  const byUser = new Map(trees.flatMap((tree) => (tree.uid === undefined ? [] : [[tree.uid, tree] as const])));
  const entries = new Map(table.processes.map((entry) => [entry.pid, entry]));
  const found = new Map<number, ProcessTree | undefined>();

  function treeOf(pid: number): ProcessTree | undefined {
    const entry = entries.get(pid);
    if (entry === undefined || found.has(pid)) return found.get(pid);
    // Counts as a stranger while its ancestors are searched, so that a circle of numbers ends.
    found.set(pid, undefined);
    const tree =
      byLeader.get(entry.group) ??
      byLeader.get(entry.session) ??
      byMarkOf(pid) ??
      byUserOf(pid) ??
      treeOf(entry.parent);
    const isOlder = tree?.startedAt !== undefined && entry.startedAt < tree.startedAt;
    found.set(pid, isOlder ? undefined : tree);
    return found.get(pid);
  }

  function byMarkOf(pid: number): ProcessTree | undefined {
    const mark = table.startVariable(pid, MARK_VARIABLE);
    return mark === undefined ? undefined : byMark.get(mark);
  }

  function byUserOf(pid: number): ProcessTree | undefined {
    const uid = byUser.size === 0 ? undefined : userOf(pid);
    return uid === undefined ? undefined : byUser.get(uid);
  }

  const totals = new Map<ProcessTree, number>(trees.map((tree) => [tree, 0]));
  for (const { pid, residentBytes } of table.processes) {
    const tree = treeOf(pid);
    if (tree !== undefined) totals.set(tree, (totals.get(tree) ?? 0) + residentBytes);
  }
  return totals;
}

/** Notices that a job has shown no sign of life for too long. */
export interface IdleLimit {
  readonly touch: () => void;
  stop(): void;
}

/** Infinity: no limit. Calls `onIdle` once, between `idleMs` and a few milliseconds more after the last `touch`. */
export function startIdleLimit(idleMs: number, onIdle: () => void): IdleLimit {
  let last = performance.now();
  let timer: NodeJS.Timeout | undefined;

  // Signs of life come by the thousand, so they only note the time. The timer checks whether there was one.
  function waitFor(ms: number): void {
    timer = setTimeout(() => {
      const left = last + idleMs - performance.now();
      if (left > 0) waitFor(Math.ceil(left));
      else onIdle();
    }, ms);
  }

  if (Number.isFinite(idleMs)) waitFor(idleMs);
  return {
    touch: () => {
      last = performance.now();
    },
    stop: () => clearTimeout(timer),
  };
}

/** Pings a process at equal distances, and notices when it no longer answers. */
export interface AnswerWatch {
  readonly answered: () => void;
  /** When it last answered, in terms of `performance.now()`. */
  readonly answeredAt: () => number;
  stop(): void;
}

export interface AnswerWatchDeps {
  /** Counts pings, not time, so that a worker that was itself asleep blames no process. */
  readonly blockedMs: number;
  /** Sends a question, unless no job waits for answers. False: none was sent. */
  readonly ping: () => boolean;
  /** Called again at every ping that would follow. */
  readonly onBlocked: () => void;
}

export function startAnswerWatch({ blockedMs, ping, onBlocked }: AnswerWatchDeps): AnswerWatch {
  let answeredAt = 0;
  let unanswered = 0;
  const timer = setInterval(() => {
    if (unanswered >= PINGS_UNTIL_BLOCKED) onBlocked();
    unanswered = ping() ? unanswered + 1 : 0;
  }, blockedMs / PINGS_UNTIL_BLOCKED);
  return {
    answered() {
      answeredAt = performance.now();
      unanswered = 0;
    },
    answeredAt: () => answeredAt,
    stop: () => clearInterval(timer),
  };
}
