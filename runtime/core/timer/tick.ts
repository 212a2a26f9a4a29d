/**
 * The message that says "this timer is due": sent once per tick and kept once by the broker. It carries no truth but its
 * own: its receiver writes the row of the job it stands for, if there is none.
 */
import * as z from "zod";
import { type TimerName, digestOf, listenerOf } from "./timer.ts";
import { FORMATS } from "../formats.ts";
import { TENANT_NAME_PATTERN } from "../job/ids.ts";
import { TIMER_NAME_MAX_LENGTH } from "../limits.ts";
import { PACKAGE_NAME_PATTERN } from "../package/manifest-fields.ts";

/** Version of the message body. A receiver gives back versions it does not know. */
const TICK_VERSION = FORMATS.tick.version;

/** The application property that the subscriptions of timers filter on. */
export const LISTENER_PROPERTY = "Listener";

const TIMER_NAME_PATTERN = new RegExp(`^[A-Za-z0-9_-]{1,${TIMER_NAME_MAX_LENGTH}}$`);

/** The names become keys of rows and ids of jobs, so that a tick that says nonsense must stop here. */
const tickSchema = z.object({
  version: z.literal(TICK_VERSION),
  kind: z.literal("tick"),
  tenantName: z.string().regex(TENANT_NAME_PATTERN),
  packageName: z
    .string()
    .refine((name) => name.endsWith(".zip") && PACKAGE_NAME_PATTERN.test(name.slice(0, -4)), "not a package"),
  timerName: z.string().regex(TIMER_NAME_PATTERN),
  /** Of the schedule the tick belongs to. */
  scheduleHash: z.string().min(1).max(64),
  /** ISO 8601, by the schedule and never by a clock. */
  scheduledAt: z.iso.datetime(),
});

export type Tick = Readonly<z.infer<typeof tickSchema>>;

/** A tick on its way to its subscription. */
export interface OutgoingTick {
  readonly tick: Tick;
  /** The same for the same tick from every sender, so that the broker keeps one. */
  readonly messageId: string;
  readonly listener: string;
  /** When the broker lets it go; what is past goes at once. */
  readonly enqueueAt: Date;
}

export function outgoingTick(timer: TimerName, scheduleHash: string, at: Date): OutgoingTick {
  const { tenantName, packageName, timerName } = timer;
  const scheduledAt = at.toISOString();
  return {
    tick: { version: TICK_VERSION, kind: "tick", tenantName, packageName, timerName, scheduleHash, scheduledAt },
    messageId: `tick:${digestOf(listenerOf(timer), scheduleHash, scheduledAt)}`,
    listener: listenerOf(timer),
    enqueueAt: at,
  };
}

export type TickParse = { readonly ok: true; readonly tick: Tick } | { readonly ok: false; readonly reason: string };

/** Reads a message body; a malformed one yields a reason fit for the dead-letter queue. */
export function parseTick(body: unknown): TickParse {
  const parsed = tickSchema.safeParse(body);
  if (parsed.success) return { ok: true, tick: parsed.data };
  const issue = parsed.error.issues[0];
  return { ok: false, reason: `Malformed tick: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim() };
}
