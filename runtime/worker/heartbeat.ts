/**
 * Writes every few seconds that this worker lives and what it runs, and reads what is wanted of it. The write is
 * conditional on the version written last, so that it costs a read only when a wish was left on the row.
 *
 * | state   | meaning                              | leaves by                                                  |
 * |---------|--------------------------------------|------------------------------------------------------------|
 * | beating | a beat every `everyMs`               | nothing to say or to cancel → idle; `stop()` → stopped     |
 * | idle    | a beat at every third of these times | a claim, another state or protection → beating; `stop()` → stopped |
 * | stopped | the last beat said how it ended      | –                                                          |
 *
 * Another boot on the row ends it in any state.
 */
import { type Clock } from "../core/clock.ts";
import { sleep } from "../core/sleep.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { WorkerStore } from "../core/ports/worker-store.ts";
import { HEARTBEAT_MS, type CancelIntent, type WorkerRecord, type WorkerState } from "../core/job/worker-record.ts";

/** What stays the same while the worker runs. */
export type WorkerIdentity = Pick<WorkerRecord, "pool" | "workerId" | "bootId" | "startedAt" | "slots" | "version">;

export interface HeartbeatDeps {
  readonly workers: Pick<WorkerStore, "beat">;
  readonly identity: WorkerIdentity;
  readonly state: () => WorkerState;
  readonly claims: () => readonly string[];
  /** Of its machine, as of the beat. Default: it does not say. */
  readonly isProtected?: (() => boolean) | undefined;
  readonly onCancel: (intent: CancelIntent) => void;
  readonly onDrain: () => void;
  /** Another process runs under this worker's id: this one must not go on. */
  readonly onReplaced: () => void;
  readonly now: Clock["now"];
  /** Between two beats. Default HEARTBEAT_MS. */
  readonly everyMs?: number | undefined;
  /** Of the messages that hold jobs. An idle worker must not look silent (A4) when it takes one. */
  readonly lockMs: number;
  readonly log: Logger;
}

export interface Heartbeat {
  /** One more beat, now, that says how the worker ended. */
  stop(): Promise<void>;
}

/** Tries of one beat. Each one more has read a wish. */
const BEAT_TRIES = 5;

/** An idle worker writes at one of so many times, but so often that four times of its writes fit into a lock. */
const IDLE_EVERY = 3;
const IDLE_PER_LOCK = 4;

/** Between tries of the first beat. */
const FIRST_AGAIN_MS = 500;

/**
 * Resolves when the first beat is written, however long that takes. Before it, the worker's claims would count as those of
 * an earlier boot (A4), and a wish to cancel them could not be left on its row.
 */
export async function startHeartbeat(deps: HeartbeatDeps): Promise<Heartbeat> {
  const { workers, identity, everyMs = HEARTBEAT_MS, log } = deps;
  const idleEvery = Math.min(IDLE_EVERY, Math.floor(deps.lockMs / IDLE_PER_LOCK / everyMs));
  let etag: string | undefined;
  /** What the row says, if it lists no claims. */
  let idleAs: Pick<WorkerRecord, "state" | "isProtected"> | undefined;
  let passedOver = 0;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let beating: Promise<unknown> = Promise.resolve();

  /** Whether the row now says how this worker is, or another process has taken it over. */
  async function beat(): Promise<boolean> {
    for (let tries = 0; tries < BEAT_TRIES; tries++) {
      const record = {
        ...identity,
        heartbeatAt: deps.now(),
        state: deps.state(),
        claims: deps.claims(),
        isProtected: deps.isProtected?.(),
        cancel: [],
        drain: false,
      };
      const result = await workers.beat(record, etag);
      if (result.written) {
        etag = result.etag;
        idleAs = record.claims.length === 0 ? record : undefined;
        return true;
      }
      const current = result.current?.value;
      if (current !== undefined && current.bootId !== identity.bootId) {
        log.error({ bootId: current.bootId }, "another process runs under this worker's id");
        stopped = true;
        deps.onReplaced();
        return true;
      }
      // Acted upon before they are taken off the row: a crash in between leaves them there, and twice does no harm.
      current?.cancel.forEach(deps.onCancel);
      if (current?.drain === true) deps.onDrain();
      etag = result.current?.etag;
    }
    return false;
  }

  /** Whether the row says all there is to say, and no job is there to be canceled. */
  const isIdle = (): boolean =>
    idleAs?.state === deps.state() && idleAs.isProtected === deps.isProtected?.() && deps.claims().length === 0;

  async function tryBeat(): Promise<boolean> {
    passedOver = 0;
    try {
      return await beat();
    } catch (error) {
      idleAs = undefined;
      log.warn({ error: messageOf(error) }, "heartbeat not written");
      return false;
    }
  }

  function schedule(): void {
    if (stopped) return;
    timer = setTimeout(() => {
      if (isIdle() && ++passedOver < idleEvery) schedule();
      else beating = tryBeat().finally(schedule);
    }, everyMs);
  }

  while (!(await tryBeat())) await sleep(FIRST_AGAIN_MS);
  schedule();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await beating;
      await tryBeat();
    },
  };
}
