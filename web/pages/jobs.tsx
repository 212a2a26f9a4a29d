/** All jobs of a tenant across its batches, newest first. The address is the filter. */
import { useCallback, useEffect, useMemo, useState } from "react";
import { Link, Redirect } from "wouter";
import { href, jobHref, useParam } from "../components/address.ts";
import { shellWord } from "../components/copy.tsx";
import { Empty } from "../components/empty.tsx";
import { Shown } from "../components/error-note.tsx";
import { Chip, FilterField } from "../components/filter-field.tsx";
import { JobTable } from "../components/job-table.tsx";
import { ROOM_FOR_TWO, useMedia } from "../components/media.ts";
import { Menu } from "../components/menu.tsx";
import { useNews } from "../components/news.ts";
import { PageHead } from "../components/page-head.tsx";
import { useFoundJobs, type JobFilter } from "../data/found-jobs.ts";
import { useJobTypes, usePackageChoices } from "../data/package-choices.ts";
import { useTenant } from "../data/session.ts";
import type { JobView } from "../../runtime/client/index.ts";
import { JobDetail } from "./job/detail.tsx";
import { isFiltered, jobsHref, listLine, STATES, statesIn, toggled } from "./jobs/filter.ts";
import { RunningActions } from "./jobs/running-actions.tsx";
import { SelectedActions } from "./jobs/selected-actions.tsx";

const SPANS: readonly (readonly [span: string, title: string])[] = [
  ["1h", "the last hour"],
  ["24h", "the last 24 hours"],
  ["7d", "the last 7 days"],
  ["30d", "the last 30 days"],
];

const keyOf = ({ jobId }: JobView): string => jobId;

export function Page() {
  const tenantName = useTenant();
  const [jobId, setJob] = useParam("job");
  const filter = useFilter();
  const hasRoom = useMedia(ROOM_FOR_TWO);
  const close = useCallback(() => setJob(undefined), [setJob]);
  const list = jobsHref(tenantName, filter);
  const hrefOf = useCallback(
    (id: string) => (hasRoom ? `${list}${list.includes("?") ? "&" : "?"}job=${encodeURIComponent(id)}` : jobHref(id)),
    [hasRoom, list],
  );
  // The window has become too small for both.
  if (jobId !== undefined && !hasRoom) return <Redirect to={jobHref(jobId)} replace />;
  return (
    <>
      <PageHead
        title="Jobs"
        actions={
          <>
            <Link className="btn" href={href("/actions", { tenant: tenantName })}>
              Actions
            </Link>
            <Link className="btn primary" href={href("/submit", { tenant: tenantName })}>
              Submit a job
            </Link>
          </>
        }
      />
      <Filters filter={filter} tenantName={tenantName} />
      <RunningActions tenantName={tenantName} />
      <div className={jobId === undefined ? undefined : "beside"}>
        <Jobs tenantName={tenantName} filter={filter} current={jobId} hrefOf={hrefOf} />
        {jobId === undefined ? null : (
          <aside className="detail" aria-label="Job">
            <JobDetail key={jobId} jobId={jobId} onClose={close} />
          </aside>
        )}
      </div>
      {jobId === undefined ? null : <OnEscape act={close} />}
    </>
  );
}

function useFilter(): JobFilter {
  const [state] = useParam("state");
  const [jobType] = useParam("type");
  const [jobProcessorPackageName] = useParam("package");
  const [tag] = useParam("tag");
  const [batchId] = useParam("batch");
  const [text] = useParam("text");
  const [since] = useParam("since");
  const [until] = useParam("until");
  return useMemo(
    () => ({ states: statesIn(state), jobType, jobProcessorPackageName, tag, batchId, text, since, until }),
    [state, jobType, jobProcessorPackageName, tag, batchId, text, since, until],
  );
}

interface FilteredProps {
  readonly tenantName: string | undefined;
  readonly filter: JobFilter;
}

function Filters({ tenantName, filter }: FilteredProps) {
  const { states, jobType, jobProcessorPackageName, tag, batchId, text, since, until } = filter;
  const [, setState] = useParam("state");
  const [, setType] = useParam("type");
  const [, setPackage] = useParam("package");
  const [, setTag] = useParam("tag");
  const [, setBatch] = useParam("batch");
  const [, setText] = useParam("text");
  const [, setSince] = useParam("since");
  const [, setUntil] = useParam("until");
  const types = useJobTypes(tenantName);
  const packages = (usePackageChoices(tenantName).data ?? []).map(({ packageName }) => packageName);
  return (
    <>
      <div className="filters" role="group" aria-label="States">
        <Chip label="all" isChosen={states.length === 0} onChoose={() => setState(undefined)} />
        {STATES.map((one) => (
          <Chip
            key={one}
            label={one}
            isChosen={states.includes(one)}
            onChoose={() => setState(toggled(states, one).join(","))}
          />
        ))}
      </div>
      <div className="filters" role="group" aria-label="Filter">
        <FilterField label="Type" value={jobType} onChange={setType} choices={types} />
        <FilterField label="Package" value={jobProcessorPackageName} onChange={setPackage} choices={packages} />
        <FilterField label="Tag" value={tag} onChange={setTag} />
        <FilterField label="Batch" value={batchId} onChange={setBatch} width={220} />
        <FilterField label="Text in name, id or failure" value={text} onChange={setText} width={220} />
        <Menu
          label={`Submitted in ${titleOf(since)}`}
          choices={[
            { id: "any", text: "any time", isSelected: since === undefined, onChoose: () => setSince(undefined) },
            ...SPANS.map(([span, title]) => ({
              id: span,
              text: title,
              isSelected: since === span,
              onChoose: () => setSince(span),
            })),
          ]}
        >
          {titleOf(since)} ▾
        </Menu>
        {until === undefined ? null : (
          <button type="button" className="chip" onClick={() => setUntil(undefined)}>
            before {until} <span aria-hidden="true">×</span>
            <span className="hidden">, remove</span>
          </button>
        )}
        <span className="muted small end hide-small">Changes by workers appear after one to two seconds.</span>
      </div>
    </>
  );
}

interface JobsProps extends FilteredProps {
  readonly current: string | undefined;
  readonly hrefOf: (jobId: string) => string;
}

function Jobs({ tenantName, filter, current, hrefOf }: JobsProps) {
  const of = JSON.stringify([tenantName, filter]);
  const { items, error, hasMore, isLoadingMore, loadMore, onEnd, refresh } = useFoundJobs(tenantName, filter);
  const news = useNews(items, keyOf, of);
  const [chosen, setChosen] = useState<{ readonly of: string; readonly keys: ReadonlySet<string> }>();
  const keys = chosen?.of === of ? chosen.keys : new Set<string>();
  return (
    <Shown error={error} isRead={items !== undefined} what="The jobs cannot be shown." onRetry={refresh}>
      <JobTable
        jobs={news.shown}
        withBatch
        news={news}
        current={current}
        hrefOf={hrefOf}
        selection={{ keys, onChange: (now) => setChosen({ of, keys: now }) }}
        onEnd={onEnd}
        empty={
          hasMore ? (
            <Empty title="Nothing yet among those looked at">
              <button type="button" className="btn" aria-busy={isLoadingMore} onClick={loadMore}>
                {isLoadingMore ? "Looking…" : "Look further back"}
              </button>
            </Empty>
          ) : isFiltered(filter) ? (
            <Empty title="No job fits this filter" cli={listLine(tenantName, filter)}>
              The same list in a terminal:
            </Empty>
          ) : (
            <Empty
              title="No jobs yet"
              cli={`jobyard submit --tenant ${shellWord(tenantName ?? "demo")} --type <jobType> --package <name.zip>`}
            >
              A job is one request for work. Submit one here, or in a terminal:
            </Empty>
          )
        }
        foot={
          <SelectedActions
            key={of}
            tenantName={tenantName ?? ""}
            filter={filter}
            jobs={(items ?? []).filter((job) => keys.has(job.jobId))}
            shownCount={news.shown?.length ?? 0}
            hasMore={hasMore}
            onDone={() => setChosen(undefined)}
          />
        }
      />
    </Shown>
  );
}

const titleOf = (since: string | undefined): string =>
  since === undefined ? "any time" : (SPANS.find(([span]) => span === since)?.[1] ?? `since ${since}`);

/** Not while a dialog or a menu is open, which closes by it too. */
function OnEscape({ act }: { readonly act: () => void }) {
  useEffect(() => {
    const onKeyDown = ({ key, defaultPrevented }: KeyboardEvent): void => {
      const isCovered = document.querySelector('[role="dialog"], [role="menu"]') !== null;
      if (key === "Escape" && !defaultPrevented && !isCovered) act();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [act]);
  return null;
}
