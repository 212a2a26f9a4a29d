/** How the system is: `GET /readyz`, which needs no token, with the clock of the API beside this browser's. */
import { useQuery } from "@tanstack/react-query";
import type { ReadyAnswer } from "../../runtime/core/http/readiness.ts";

/** Readiness and heartbeats make no events: they are asked for this often where they are shown. */
export const HEALTH_EVERY_MS = 30_000;

export interface Health {
  readonly body: ReadyAnswer["body"];
  readonly askedAt: number;
  readonly tookMs: number;
  /** The API's clock minus this browser's, in whole seconds. Undefined: the answer has no date. */
  readonly clockAheadMs: number | undefined;
}

export function useHealth() {
  return useQuery({
    queryKey: ["readiness", "health"],
    refetchInterval: HEALTH_EVERY_MS,
    queryFn: async ({ signal }): Promise<Health> => {
      const askedAt = Date.now();
      const response = await fetch("/readyz", { signal, cache: "no-store" });
      const body = (await response.json()) as ReadyAnswer["body"];
      const tookMs = Date.now() - askedAt;
      const date = Date.parse(response.headers.get("date") ?? "");
      return { body, askedAt, tookMs, clockAheadMs: Number.isNaN(date) ? undefined : aheadMs(date, askedAt, tookMs) };
    },
  });
}

const SECOND_MS = 1_000;

/** The header has whole seconds: within them, and within the time of the request, the clocks agree. */
function aheadMs(date: number, askedAt: number, tookMs: number): number {
  if (date > askedAt + tookMs) return date - askedAt - tookMs;
  return Math.min(0, date + SECOND_MS - askedAt);
}
