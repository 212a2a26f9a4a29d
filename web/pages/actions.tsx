/** Actions of a tenant: commands on many jobs at once, with their counts, newest first. */
import { href } from "../components/address.ts";
import { DialogButton } from "../components/action-dialog.tsx";
import { shellWord } from "../components/copy.tsx";
import { DataTable, type Column } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Shown } from "../components/error-note.tsx";
import { PageHead } from "../components/page-head.tsx";
import { StateMark, type ShownState } from "../components/state-mark.tsx";
import { Ago } from "../components/times.tsx";
import { counted, numberText } from "../components/time-text.ts";
import { useActionCommands, useActions } from "../data/actions.ts";
import { useAccess, useTenant } from "../data/session.ts";
import type { ActionView } from "../../runtime/client/index.ts";
import { jobsHref } from "./jobs/filter.ts";

export const ACTION_MARKS: Readonly<Record<ActionView["state"], ShownState>> = {
  running: "running",
  done: "succeeded",
  canceled: "canceled",
  failed: "failed",
};

export function countsText({ state, dryRun, cancelWanted, counts }: ActionView): string {
  const { matched, done, refused, failed } = counts;
  const words = [
    `${counted(matched, "job")} ${state === "running" ? "so far" : "fit"}`,
    ...(dryRun ? ["counted only"] : [`${numberText(done)} done`]),
    ...(refused > 0 ? [`${numberText(refused)} refused`] : []),
    ...(failed > 0 ? [`${numberText(failed)} failed`] : []),
    ...(state === "canceled" ? ["stopped"] : cancelWanted && state === "running" ? ["stopping"] : []),
  ];
  return words.join(", ");
}

const COLUMNS: readonly Column<ActionView>[] = [
  {
    id: "state",
    title: "State",
    width: "112px",
    cell: ({ state }) => <StateMark state={ACTION_MARKS[state]} word={state === "canceled" ? "stopped" : state} />,
  },
  {
    id: "kind",
    title: "Action",
    cell: (action) => (
      <>
        <span className="name">{action.dryRun ? `count for ${action.kind}` : action.kind}</span>{" "}
        <span className="sub">{filterText(action)}</span>
      </>
    ),
  },
  ...(["matched", "done", "refused", "failed"] as const).map((id): Column<ActionView> => ({
    id,
    title: { matched: "Jobs", done: "Done", refused: "Refused", failed: "Failed" }[id],
    width: "84px",
    isNumber: true,
    ...(id !== "done" && { hide: id === "matched" ? ("small" as const) : ("medium" as const) }),
    cell: ({ counts, dryRun }) => (dryRun && id !== "matched" ? "" : numberText(counts[id])),
  })),
  {
    id: "started",
    title: "Started",
    width: "210px",
    hide: "medium",
    cell: ({ startedAt, startedBy }) => (
      <>
        <Ago at={startedAt} /> <span className="muted">by {startedBy}</span>
      </>
    ),
  },
  { id: "act", title: "Actions", width: "84px", isNumber: true, cell: (action) => <StopAction action={action} /> },
];

export function Page() {
  const tenantName = useTenant();
  const { items, error, onEnd, refresh } = useActions(tenantName);
  return (
    <>
      <PageHead title="Actions" up={{ href: href("/jobs", { tenant: tenantName }), title: "Jobs" }} />
      <Shown error={error} isRead={items !== undefined} what="The actions cannot be shown." onRetry={refresh}>
        <DataTable
          label="Actions"
          columns={COLUMNS}
          rows={items}
          keyOf={({ actionId }) => actionId}
          hrefOf={({ tenantName: of, filter }) => hrefOf(of, filter)}
          onEnd={onEnd}
          empty={
            <Empty
              title="No actions yet"
              cli={`jobyard actions start requeue --tenant ${shellWord(tenantName ?? "demo")} --state failed --since 24h`}
            >
              An action cancels, requeues or tags all jobs that fit a filter. Choose a filter in the list of jobs, and
              then all that match. In a terminal, this counts them first:
            </Empty>
          }
        />
      </Shown>
    </>
  );
}

const statesOf = ({ state, delayed }: ActionView["filter"]) =>
  delayed ? (["delayed"] as const) : state === undefined ? [] : [state].flat();

function hrefOf(tenantName: string, { state, delayed, ...fields }: ActionView["filter"]): string {
  return jobsHref(tenantName, { states: statesOf({ state, delayed }), ...fields });
}

function filterText({ filter, tags = [] }: ActionView): string {
  const { jobType, jobProcessorPackageName, tag, batchId, text, since } = filter;
  const parts = [
    statesOf(filter).join(", "),
    jobType,
    jobProcessorPackageName,
    tag === undefined ? undefined : `tag ${tag}`,
    batchId === undefined ? undefined : `batch ${batchId}`,
    text === undefined ? undefined : `“${text}”`,
    since === undefined ? undefined : `since ${since}`,
    tags.length === 0 ? undefined : `→ ${tags.join(" ")}`,
  ];
  return parts.filter((part) => part !== undefined && part !== "").join(" · ");
}

export function StopAction({ action: { tenantName, actionId, state, cancelWanted } }: { readonly action: ActionView }) {
  const { stop } = useActionCommands(tenantName);
  const { reason } = useAccess("submit", tenantName);
  if (state !== "running") return null;
  return (
    <DialogButton
      verb="Stop"
      kind="quiet"
      isDangerous
      cli={`jobyard actions stop ${shellWord(actionId)}`}
      refused={reason ?? (cancelWanted ? "It is stopping already." : undefined)}
      action={async () => {
        await stop.mutateAsync(actionId);
        return "It ends before its next step.";
      }}
    >
      The action ends before its next step of up to 100 jobs. What it has done to jobs stays.
    </DialogButton>
  );
}
