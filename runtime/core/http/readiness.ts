/** The answer of `/readyz`, of API and worker alike: which part cannot work, and since when. */
import type { FormatName } from "../formats.ts";

/** A part without which the process cannot work now. */
export interface NotReady {
  readonly part: string;
  readonly since: Date;
}

export interface ReadyAnswer {
  readonly status: 200 | 503;
  readonly body: {
    readonly status: "ok" | "unavailable";
    readonly notReady?: readonly { readonly part: string; readonly since: string }[];
    /** What other releases wrote and this process cannot read. */
    readonly unreadable?: readonly FormatName[];
  };
}

/** Names no reason, because anyone may ask. The log has it. */
export function readyAnswer(notReady: readonly NotReady[], formats: readonly FormatName[]): ReadyAnswer {
  const unreadable = formats.length > 0 && { unreadable: formats };
  if (notReady.length === 0) return { status: 200, body: { status: "ok", ...unreadable } };
  const parts = notReady.map(({ part, since }) => ({ part, since: since.toISOString() }));
  return { status: 503, body: { status: "unavailable", notReady: parts, ...unreadable } };
}

/** Prometheus's text format. */
export const METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8";
