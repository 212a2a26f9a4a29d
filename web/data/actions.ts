/** Actions: one command on all jobs that fit a filter, carried out by the API in the background. */
import { useEffect, useRef } from "react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { ActionView, StartActionBody } from "../../runtime/client/index.ts";
import { useLongList, type LongList } from "./listing.ts";
import { useClient } from "./session.ts";

/** An action makes no event. While one runs, its counts are read this often. */
const RUNNING_EVERY_MS = 1_500;

export function useActions(tenantName: string | undefined): LongList<ActionView> {
  const { monitoring } = useClient();
  const queries = useQueryClient();
  const list = useLongList<ActionView>({
    queryKey: ["actions", tenantName],
    enabled: tenantName !== undefined,
    everyMs: (actions) => (runningOf(actions).length > 0 ? RUNNING_EVERY_MS : false),
    list: (options) => monitoring.getActions(tenantName ?? "", options),
  });
  const running = runningOf(list.items ?? [])
    .map(({ actionId }) => actionId)
    .join(" ");
  const before = useRef(running);
  useEffect(() => {
    // Tags that have changed make no event either.
    const hasEnded = before.current.split(" ").some((actionId) => !running.includes(actionId));
    if (hasEnded) void queries.invalidateQueries({ queryKey: ["jobs"] });
    before.current = running;
  }, [queries, running]);
  return list;
}

const runningOf = (actions: readonly ActionView[]): readonly ActionView[] =>
  actions.filter(({ state }) => state === "running");

export function useActionCommands(tenantName: string) {
  const { management } = useClient();
  const queries = useQueryClient();
  const onSuccess = (): void => void queries.invalidateQueries({ queryKey: ["actions", tenantName] });
  return {
    start: useMutation({
      mutationFn: (action: StartActionBody) => management.startAction(tenantName, action),
      onSuccess,
    }),
    stop: useMutation({ mutationFn: (actionId: string) => management.cancelAction(tenantName, actionId), onSuccess }),
  };
}

/** Counts the jobs that an action would mean, by one that changes nothing. */
export function useCount(tenantName: string) {
  const { management, monitoring } = useClient();
  const started = useMutation({
    mutationFn: (action: StartActionBody) => management.startAction(tenantName, { ...action, dryRun: true }),
  });
  const actionId = started.data?.actionId ?? "";
  const followed = useQuery({
    queryKey: ["action", actionId],
    enabled: actionId !== "",
    queryFn: ({ signal }) => monitoring.getAction(tenantName, actionId, { signal }),
    refetchInterval: ({ state: { data } }) =>
      data === undefined || data.state === "running" ? RUNNING_EVERY_MS : false,
  });
  const error = started.error ?? followed.error;
  return {
    count: started.mutate,
    matched: followed.data?.counts.matched,
    isCounting: error === null && !started.isIdle && (followed.data === undefined || followed.data.state === "running"),
    error,
  };
}
