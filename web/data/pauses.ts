/** What is paused: pools and queues, and tenants and job types that the caller may see. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { PauseSubject, PauseView } from "../../runtime/client/index.ts";
import { useClient } from "./session.ts";

/** A pause makes no event. */
const PAUSES_EVERY_MS = 60_000;

export function usePauses() {
  const { pauses } = useClient();
  return useQuery({
    queryKey: ["pauses"],
    refetchInterval: PAUSES_EVERY_MS,
    queryFn: ({ signal }) => pauses.list({ signal }),
  });
}

export function usePauseActions() {
  const { pauses } = useClient();
  const queries = useQueryClient();
  const onSuccess = (): void => {
    void queries.invalidateQueries({ queryKey: ["pauses"] });
    void queries.invalidateQueries({ queryKey: ["audit"] });
  };
  return {
    pause: useMutation({
      mutationFn: ({ subject, reason }: { readonly subject: PauseSubject; readonly reason: string }) =>
        pauses.pause(subject, reason === "" ? {} : { reason }),
      onSuccess,
    }),
    resume: useMutation({ mutationFn: (subject: PauseSubject) => pauses.resume(subject), onSuccess }),
  };
}

/** What people have paused, and can resume. */
export type PeoplesPause = PauseView & Pick<PauseSubject, "kind">;

export const isPeoples = (pause: PauseView): pause is PeoplesPause => pause.kind !== "erasure";

/** A view has the fields of its kind. */
export function subjectOf(
  view: Pick<PeoplesPause, "kind" | "tenantName" | "jobType" | "pool" | "priority">,
): PauseSubject {
  const { kind, tenantName = "", jobType = "", pool = "", priority } = view;
  switch (kind) {
    case "tenant":
      return { kind, tenantName };
    case "type":
      return { kind, tenantName, jobType };
    case "pool":
      return { kind, pool };
    case "queue":
      return { kind, pool, priority: priority ?? "normal" };
  }
}
