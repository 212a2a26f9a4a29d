/** What a message in a job queue is: the bell of a job, the tick of a timer, or nothing we know. */
import { parseBell, type Bell } from "./bell.ts";
import { parseTick, type Tick } from "./tick.ts";
import { tickJobId } from "./timer.ts";

export type Message =
  | { readonly kind: "bell"; readonly bell: Bell }
  | { readonly kind: "tick"; readonly tick: Tick }
  /** `reason` is fit for the dead-letter queue. */
  | { readonly kind: "malformed"; readonly reason: string };

/** The job a message is about, and the number of its bell. */
export type Subject = Pick<Bell, "jobId" | "ring">;

/** A tick stands for the first bell of its job: whoever receives it writes the row, if nobody has. */
const TICK_RING = 1;

export function parseMessage(body: unknown): Message {
  if (typeof body === "object" && body !== null && "kind" in body && body.kind === "tick") {
    const parsed = parseTick(body);
    return parsed.ok ? { kind: "tick", tick: parsed.tick } : { kind: "malformed", reason: parsed.reason };
  }
  const parsed = parseBell(body);
  return parsed.ok ? { kind: "bell", bell: parsed.bell } : { kind: "malformed", reason: parsed.reason };
}

/** Undefined: it is about no job. */
export function subjectOf(message: Message): Subject | undefined {
  switch (message.kind) {
    case "bell":
      return message.bell;
    case "tick":
      return subjectOfTick(message.tick);
    case "malformed":
      return undefined;
  }
}

export const subjectOfTick = (tick: Tick): Subject => ({
  jobId: tickJobId(tick, new Date(tick.scheduledAt), tick.scheduleHash),
  ring: TICK_RING,
});
