/**
 * What a worker does about the events Azure has scheduled for its machine: a pure decision.
 * https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events
 *
 * | event                                | idle                          | busy                                                        |
 * |--------------------------------------|-------------------------------|-------------------------------------------------------------|
 * | Terminate, Preempt, Reboot, Redeploy | stop receiving, approve       | stop receiving; jobs run until NotBefore less the reserve, then are handed back; approve |
 * | Freeze                               | approve: it passes in seconds | let it come: locks outlast it, or say that they did not      |
 *
 * Every machine of a placement group reads all its events, so only those that name this one count.
 */
import type { EventsDocument, ScheduledEvent } from "../../core/ports/machine.ts";

export interface EventFacts {
  /** This machine's name. */
  readonly name: string;
  /** Attempts under way, those that wait for a start among them. */
  readonly runningCount: number;
  /** It receives nothing any more and nothing runs. */
  readonly drained: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What handing back needs before the event. */
  readonly reserveMs: number;
}

export interface EventPlan {
  /** This machine is about to be taken away or restarted. */
  readonly ending: boolean;
  /** Set with `ending`: what running jobs still get. */
  readonly drainMs: number;
  /** The kind of the first such event. */
  readonly reason: string;
  /** Events the platform need not wait for any longer. */
  readonly approve: readonly string[];
}

const ENDING_TYPES: readonly string[] = ["Terminate", "Preempt", "Reboot", "Redeploy"];

export function planFor({ events }: EventsDocument, facts: EventFacts): EventPlan {
  const own = events.filter(({ resources }) => resources.some((name) => sameName(name, facts.name)));
  const [first, ...later] = own
    .filter(({ type }) => ENDING_TYPES.includes(type))
    .sort((a, b) => startOf(a, facts.now) - startOf(b, facts.now));
  const waiting = own.filter(({ status }) => status === "Scheduled");
  const idsOf = (chosen: readonly ScheduledEvent[]): string[] => chosen.map(({ eventId }) => eventId);
  if (first === undefined) {
    // Only what is known to pass by itself: an unknown kind of event is left to come at its own time.
    const passing = waiting.filter(({ type }) => type === "Freeze");
    return { ending: false, drainMs: 0, reason: "", approve: facts.runningCount === 0 ? idsOf(passing) : [] };
  }
  const ending = [first, ...later];
  return {
    ending: true,
    drainMs: Math.max(0, startOf(first, facts.now) - facts.now - facts.reserveMs),
    reason: first.type,
    approve: facts.drained ? idsOf(waiting.filter((event) => event.type === "Freeze" || ending.includes(event))) : [],
  };
}

/** Names are compared as Azure compares them. */
const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

const startOf = ({ notBefore, status }: ScheduledEvent, now: number): number =>
  status === "Scheduled" ? (notBefore ?? now) : now;
