/** Timers of a tenant: their next ticks, and what can be done with one. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { TimerReference, TimerView } from "../../runtime/client/index.ts";
import { useSendOnce } from "./send-once.ts";
import { useClient } from "./session.ts";

/** Ticks that the calendar is made of; the most that the API gives. */
const NEXT_MAX = 100;

export function useTimer(timer: TimerReference) {
  const client = useClient();
  return useQuery({
    queryKey: keyOf(timer),
    queryFn: ({ signal }) => client.timers.get(timer, { signal }),
  });
}

/** Read again when the first of them is over: `next` changes then. */
export function useNextTicks(timer: TimerReference, { cron, timeZone, next }: Partial<TimerView>) {
  const client = useClient();
  return useQuery({
    queryKey: ["timer-ticks", timer, cron, timeZone, next],
    queryFn: ({ signal }) => client.timers.next(timer, { count: NEXT_MAX, signal }),
    placeholderData: (before) => before,
  });
}

export function useTimerActions(timer: TimerReference) {
  const client = useClient();
  const queries = useQueryClient();
  const run = useSendOnce();
  const read = (): void => void queries.invalidateQueries({ queryKey: ["timers", timer.tenantName] });
  const onSuccess = (view: TimerView): void => {
    queries.setQueryData(keyOf(timer), view);
    read();
  };
  return {
    pause: useMutation({ mutationFn: () => client.timers.pause(timer), onSuccess }),
    resume: useMutation({ mutationFn: () => client.timers.resume(timer), onSuccess }),
    run: useMutation({
      mutationFn: (parameters: unknown) =>
        run.send({ parameters }, (idempotencyKey) => client.timers.run(timer, { parameters, idempotencyKey })),
      onSuccess: read,
    }),
    /** The next run is one more, also if an answer was lost. */
    forgetRun: () => run.forget(),
  };
}

const keyOf = ({ tenantName, packageName, timerName }: TimerReference) =>
  ["timers", tenantName, packageName, timerName] as const;
