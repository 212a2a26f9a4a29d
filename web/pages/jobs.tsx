/** All jobs of a tenant across its batches, newest first. The address is the filter. */
import { useState } from "react";
import { Link } from "wouter";
import { href, useParam } from "../components/address.ts";
import { shellWord } from "../components/copy.tsx";
import { Empty } from "../components/empty.tsx";
import { ErrorNote } from "../components/error-note.tsx";
import { Chip, FilterField } from "../components/filter-field.tsx";
import { JobTable } from "../components/job-table.tsx";
import { Menu } from "../components/menu.tsx";
import { useNews } from "../components/news.ts";
import { PageHead } from "../components/page-head.tsx";
import { useFoundJobs, type JobFilter } from "../data/found-jobs.ts";
import { useJobTypes } from "../data/package-choices.ts";
import { useTenant } from "../data/session.ts";
import { JOB_STATES } from "../../runtime/core/job/states.ts";
import type { JobView } from "../../runtime/client/index.ts";
import { SelectedActions } from "./jobs/selected-actions.tsx";

const STATES = ["queued", "delayed", ...JOB_STATES.filter((state) => state !== "queued")] as const;

const SPANS: readonly (readonly [span: string, title: string])[] = [
  ["1h", "the last hour"],
  ["24h", "the last 24 hours"],
  ["7d", "the last 7 days"],
  ["30d", "the last 30 days"],
];

const keyOf = ({ jobId }: JobView): string => jobId;

export function Page() {
  const tenantName = useTenant();
  const [stateParam, setState] = useParam("state");
  const [jobType, setType] = useParam("type");
  const [tag, setTag] = useParam("tag");
  const [batchId, setBatch] = useParam("batch");
  const [since, setSince] = useParam("since");
  const [until, setUntil] = useParam("until");
  const state = STATES.find((one) => one === stateParam);
  const filter: JobFilter = { state, jobType, tag, batchId, since, until };
  const of = JSON.stringify([tenantName, filter]);
  const { items, error, hasMore, isLoadingMore, loadMore, refresh } = useFoundJobs(tenantName, filter);
  const news = useNews(items, keyOf, of);
  const [chosen, setChosen] = useState<{ readonly of: string; readonly keys: ReadonlySet<string> }>();
  const keys = chosen?.of === of ? chosen.keys : new Set<string>();
  const types = useJobTypes(tenantName);
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  const cli = cliOf(tenantName, filter);
  return (
    <>
      <PageHead
        title="Jobs"
        actions={
          <Link className="btn primary" href={href("/submit", { tenant: tenantName })}>
            Submit a job
          </Link>
        }
      />
      <div className="filters" role="group" aria-label="State">
        <Chip label="all" isChosen={state === undefined} onChoose={() => setState(undefined)} />
        {STATES.map((one) => (
          <Chip key={one} label={one} isChosen={state === one} onChoose={() => setState(one)} />
        ))}
      </div>
      <div className="filters" role="group" aria-label="Filter">
        <FilterField label="Type" value={jobType} onChange={setType} choices={types} />
        <FilterField label="Tag" value={tag} onChange={setTag} />
        <FilterField label="Batch" value={batchId} onChange={setBatch} width={220} />
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
      {error === null ? (
        <JobTable
          jobs={news.shown}
          withBatch
          news={news}
          selection={{ keys, onChange: (now) => setChosen({ of, keys: now }) }}
          onEnd={hasMore && !isLoadingMore ? loadMore : undefined}
          empty={
            hasMore ? (
              <Empty title="Nothing yet among those looked at">
                <button type="button" className="btn" aria-busy={isLoadingMore} onClick={loadMore}>
                  {isLoadingMore ? "Looking…" : "Look further back"}
                </button>
              </Empty>
            ) : isFiltered ? (
              <Empty title="No job fits this filter" cli={cli}>
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
              jobs={(items ?? []).filter((job) => keys.has(job.jobId))}
              shownCount={news.shown?.length ?? 0}
              hasMore={hasMore}
              cli={cli}
              onDone={() => setChosen(undefined)}
            />
          }
        />
      ) : (
        <ErrorNote error={error} what="The jobs cannot be shown." onRetry={refresh} />
      )}
    </>
  );
}

const titleOf = (since: string | undefined): string =>
  since === undefined ? "any time" : (SPANS.find(([span]) => span === since)?.[1] ?? `since ${since}`);

/** The line that lists the same. */
function cliOf(tenantName: string | undefined, { state, jobType, tag, batchId, since, until }: JobFilter): string {
  const flags: readonly (readonly [flag: string, value: string | undefined])[] = [
    ["--tenant", tenantName],
    ["--state", state === "delayed" ? undefined : state],
    ["--type", jobType],
    ["--tag", tag],
    ["--since", since],
    ["--until", until],
  ];
  const words = flags.flatMap(([flag, value]) => (value === undefined ? [] : [flag, shellWord(value)]));
  const of = batchId === undefined ? [] : [shellWord(batchId)];
  return ["jobyard", "jobs", ...of, ...words, ...(state === "delayed" ? ["--delayed"] : [])].join(" ");
}
