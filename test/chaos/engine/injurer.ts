/** Kills and pauses programs of the stack by their process ids, and records when. */
import { setTimeout as pause } from "node:timers/promises";
import type { Supervisor } from "../../../runtime/local/supervisor.ts";
import type { Injury, ScheduledInjury } from "./schedule.ts";

export interface Inflicted {
  /** In ms since the epoch. */
  readonly at: number;
  readonly program: string;
  readonly injury: Injury;
}

export interface Injurer {
  readonly inflicted: readonly Inflicted[];
  /** Injuries under way. */
  readonly pending: number;
  inflict(injury: ScheduledInjury): void;
  /** Resolves when nothing is paused any more. */
  done(): Promise<void>;
}

/** If a program is just starting, it is hurt as soon as it has a process. */
const APPEARS_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 50;

export function createInjurer(supervisor: Pick<Supervisor, "pidOf">): Injurer {
  const inflicted: Inflicted[] = [];
  const pending = new Set<Promise<void>>();
  /** One injury of a program at a time, because a kill of a paused program would end its pause. */
  const lastOf = new Map<string, Promise<void>>();

  async function appears(program: string): Promise<number | undefined> {
    const until = performance.now() + APPEARS_WITHIN_MS;
    for (;;) {
      const pid = supervisor.pidOf(program);
      if (pid !== undefined || performance.now() > until) return pid;
      await pause(LOOK_EVERY_MS);
    }
  }

  async function hurt({ program, injury }: ScheduledInjury): Promise<void> {
    const pid = await appears(program);
    if (pid === undefined) return;
    inflicted.push({ at: Date.now(), program, injury });
    if (injury.kind === "kill") {
      signal(pid, "SIGKILL");
      return;
    }
    signal(pid, "SIGSTOP");
    await pause(injury.pauseMs);
    signal(pid, "SIGCONT");
  }

  return {
    inflicted,
    get pending() {
      return pending.size;
    },
    inflict(injury) {
      const before = lastOf.get(injury.program) ?? Promise.resolve();
      const under = before.then(() => hurt(injury)).finally(() => pending.delete(under));
      pending.add(under);
      lastOf.set(injury.program, under);
    },
    async done() {
      await Promise.all(pending);
    },
  };
}

/** It may have ended by itself meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
