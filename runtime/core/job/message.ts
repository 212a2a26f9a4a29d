/** What a message in a job queue is: the bell of a job, the tick of a timer, or nothing we know. */
import { parseBell, type Bell } from "./bell.ts";
import { FORMATS } from "../formats.ts";
import { parseTick, type Tick } from "../timer/tick.ts";
import { tickJobId } from "../timer/timer.ts";

export type Message =
  | { readonly kind: "bell"; readonly bell: Bell }
  | { readonly kind: "tick"; readonly tick: Tick }
  /** Another release wrote it. It goes back to the queue, for a worker that knows its version. */
  | { readonly kind: "unreadable"; readonly format: "bell" | "tick"; readonly reason: string }
  /** Nothing that any release would write. `reason` is fit for the dead-letter queue. */
  | { readonly kind: "malformed"; readonly reason: string };

/** The job a message is about, and the number of its bell. */
export type Subject = Pick<Bell, "jobId" | "ring">;

/** A tick stands for the first bell of its job. Its receiver writes the row if there is none. */
const TICK_RING = 1;

export function parseMessage(body: unknown): Message {
  const kind = fieldOf(body, "kind");
  const version = fieldOf(body, "version");
  const format = kind === "tick" ? "tick" : "bell";
  if (typeof kind === "string" && kind !== "tick")
    return { kind: "unreadable", format, reason: "Its kind is not known." };
  const { version: known } = FORMATS[format];
  if (Number.isInteger(version) && Number(version) > 0 && version !== known) {
    return { kind: "unreadable", format, reason: `Its version is ${Number(version)}; this release reads ${known}.` };
  }
  if (format === "tick") {
    const parsed = parseTick(body);
    return parsed.ok ? { kind: "tick", tick: parsed.tick } : { kind: "malformed", reason: parsed.reason };
  }
  const parsed = parseBell(body);
  return parsed.ok ? { kind: "bell", bell: parsed.bell } : { kind: "malformed", reason: parsed.reason };
}

const fieldOf = (body: unknown, name: "kind" | "version"): unknown =>
  typeof body === "object" && body !== null && name in body ? (body as Record<string, unknown>)[name] : undefined;

/** Undefined: it is about no job, or none that this release could name. */
export function subjectOf(message: Message): Subject | undefined {
  switch (message.kind) {
    case "bell":
      return message.bell;
    case "tick":
      return subjectOfTick(message.tick);
    case "unreadable":
    case "malformed":
      return undefined;
  }
}

export const subjectOfTick = (tick: Tick): Subject => ({
  jobId: tickJobId(tick, new Date(tick.scheduledAt), tick.scheduleHash),
  ring: TICK_RING,
});
