/** What can be done with all jobs that fit the filter, also with those that are not shown: as an action, which has counts. */
import { useState } from "react";
import { DialogButton } from "../../components/action-dialog.tsx";
import { shellWord } from "../../components/copy.tsx";
import { ErrorText } from "../../components/error-note.tsx";
import { TextField } from "../../components/field.tsx";
import { counted } from "../../components/time-text.ts";
import { useActionCommands, useCount } from "../../data/actions.ts";
import { optionsOf, type JobFilter } from "../../data/found-jobs.ts";
import { refusedState, statesFor, type ActionKind } from "../../../runtime/core/job/action.ts";
import { JOB_STATES } from "../../../runtime/core/job/states.ts";
import type { StartActionBody } from "../../../runtime/client/index.ts";
import { isFiltered, optionWords } from "./filter.ts";

const VERBS: Readonly<Record<ActionKind, string>> = {
  requeue: "Requeue all",
  cancel: "Cancel all",
  reschedule: "Start all now",
  tag: "Tag all",
  untag: "Untag all",
};

const MEANS: Readonly<Record<ActionKind, string>> = {
  requeue: "run again with the same parameters. Attempts count from zero.",
  cancel: "will not start, or are asked to end. Running jobs get a grace period.",
  reschedule: "may start at once, also those that were to start later.",
  tag: "get these tags. Jobs can be found by them.",
  untag: "lose these tags.",
};

interface AllActionsProps {
  readonly tenantName: string;
  readonly filter: JobFilter;
  /** Why none may be started. */
  readonly refused: string | undefined;
  readonly onStarted: () => void;
}

export const AllActions = (props: AllActionsProps) => (
  <>
    {(["requeue", "cancel", "reschedule", "tag", "untag"] as const).map((kind) => (
      <StartAction key={kind} {...props} kind={kind} />
    ))}
  </>
);

function StartAction({
  tenantName,
  filter,
  refused,
  onStarted,
  kind,
}: AllActionsProps & { readonly kind: ActionKind }) {
  const [words, setWords] = useState("");
  const { start } = useActionCommands(tenantName);
  const meant = meantBy(kind, filter);
  const tags = words.split(/\s+/).filter((word) => word !== "");
  const isTagging = kind === "tag" || kind === "untag";
  // When it is started: a span such as `24h` is counted from then.
  const body = (): StartActionBody => ({
    kind,
    filter: fieldsOf(meant ?? filter),
    ...(isTagging && { tags }),
    ...(kind === "reschedule" && { delayMs: 0 }),
  });
  const batch = filter.batchId === undefined ? "" : ` --batch ${shellWord(filter.batchId)}`;
  const delay = kind === "reschedule" ? " --delay 0" : "";
  const tagWords = isTagging ? ` --tags ${tags.length === 0 ? "<tags>" : tags.map(shellWord).join(" ")}` : "";
  return (
    <DialogButton
      verb={VERBS[kind]}
      title={`${VERBS[kind]} that fit?`}
      kind={kind === "cancel" ? "danger" : undefined}
      isDangerous={kind === "cancel"}
      refused={
        refused ??
        (isFiltered(filter) ? undefined : "Choose a filter first: an action on every job of the tenant is refused.") ??
        (meant === undefined ? `None of the chosen states allows it.` : undefined)
      }
      problem={isTagging && tags.length === 0 ? "Give a tag, or several." : undefined}
      cli={`jobyard actions start ${kind} --yes${batch}${delay}${tagWords} ${optionWords(tenantName, meant ?? filter).join(" ")}`}
      action={async () => {
        await start.mutateAsync(body());
        setWords("");
        onStarted();
        return "The action has started. Its progress stands above the list.";
      }}
    >
      <p>
        {statesText(kind, meant)} that fit the filter and were submitted until now {MEANS[kind]}
      </p>
      {isTagging ? (
        <TextField label="Tags, separated by spaces" value={words} onChange={setWords} placeholder="looked-at" />
      ) : null}
      <Count tenantName={tenantName} bodyOf={() => ({ ...body(), ...(isTagging && { tags: ["count"] }) })} />
    </DialogButton>
  );
}

/** Only of states in which the kind does something. Undefined: there are none. */
function meantBy(kind: ActionKind, filter: JobFilter): JobFilter | undefined {
  if (filter.states.length === 0) return filter;
  const states = filter.states.filter(
    (state) => refusedState(kind, state === "delayed" ? "queued" : state) === undefined,
  );
  return states.length === 0 ? undefined : { ...filter, states };
}

function statesText(kind: ActionKind, meant: JobFilter | undefined): string {
  const states = meant === undefined || meant.states.length === 0 ? (statesFor(kind) ?? JOB_STATES) : meant.states;
  return states.length === JOB_STATES.length ? "All jobs" : `All ${states.join(" and ")} jobs`;
}

function fieldsOf(filter: JobFilter): StartActionBody["filter"] {
  const { since, until, delayed, state, ...words } = optionsOf(filter);
  const instant = (at: string | Date | undefined): string | undefined => (at instanceof Date ? at.toISOString() : at);
  return {
    ...words,
    ...(state !== undefined && { state }),
    ...(delayed && { delayed: true as const }),
    since: instant(since),
    until: instant(until),
  };
}

/** Counts them by an action that changes nothing. */
function Count({ tenantName, bodyOf }: { readonly tenantName: string; readonly bodyOf: () => StartActionBody }) {
  const { count, matched, isCounting, error } = useCount(tenantName);
  return (
    <div className="row">
      <button type="button" className="btn" aria-busy={isCounting} onClick={() => count(bodyOf())}>
        Count them
      </button>
      <span role="status">
        {matched === undefined ? null : `${counted(matched, "job")} ${isCounting ? "so far" : "fit now"}.`}
      </span>
      {error === null ? null : <ErrorText error={error} />}
    </div>
  );
}
