/** What fails: failed jobs grouped by code, type and the top frame of the author's code. */
import { useMemo } from "react";
import { Link } from "wouter";
import { href, instantOf, jobHref, useParam } from "../components/address.ts";
import { shellWord } from "../components/copy.tsx";
import { DataTable, type Column } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Shown } from "../components/error-note.tsx";
import { Chip } from "../components/filter-field.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Ago } from "../components/times.tsx";
import { counted, numberText } from "../components/time-text.ts";
import { FAILED_MAX, useEarlierFailed, useFailedJobs, type FailedJobs } from "../data/errors.ts";
import { groupFailures, noveltyOf, type FailureGroup, type Novelty } from "../data/failure-groups.ts";
import { useTenant } from "../data/session.ts";
import { RequeueGroup } from "./errors/requeue-group.tsx";

const SPANS: readonly (readonly [span: string, title: string])[] = [
  ["1h", "1 hour"],
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
];
const DEFAULT_SPAN = "24h";

export function Page() {
  const tenantName = useTenant();
  const [sinceParam, setSince] = useParam("since");
  const since = SPANS.find(([span]) => span === sinceParam)?.[0] ?? DEFAULT_SPAN;
  const { data, error, refetch } = useFailedJobs(tenantName, since);
  const earlier = useEarlierFailed(tenantName, since).data;
  const groups = useMemo(() => data && groupFailures(data.jobs), [data]);
  const noveltyIn = useMemo(() => noveltiesOf(earlier, since), [earlier, since]);
  const columns = columnsOf(tenantName, since, noveltyIn);
  const title = SPANS.find(([span]) => span === since)?.[1] ?? since;
  return (
    <>
      <PageHead title="Errors">
        {data === undefined ? null : (
          <span className="muted">
            {counted(data.jobs.length, "failed job")}, {counted(groups?.length ?? 0, "kind")}
          </span>
        )}
      </PageHead>
      <div className="filters" role="group" aria-label="Submitted in the last">
        <span className="muted small">Submitted in the last</span>
        {SPANS.map(([span, text]) => (
          <Chip
            key={span}
            label={text}
            isChosen={span === since}
            onChoose={() => setSince(span === DEFAULT_SPAN ? undefined : span)}
          />
        ))}
      </div>
      {data?.isPart === true ? (
        <div className="note" role="note">
          <p>
            These are the newest {numberText(data.jobs.length)} failed jobs of this time. There are more; this page
            groups about {numberText(FAILED_MAX)}. Choose a shorter time, or a type in the list of jobs.
          </p>
        </div>
      ) : null}
      <Shown
        error={error}
        isRead={groups !== undefined}
        what="The failed jobs cannot be shown."
        onRetry={() => void refetch()}
      >
        <DataTable
          label="Errors"
          columns={columns}
          rows={groups}
          keyOf={({ key }) => key}
          hrefOf={({ latest }) => jobHref(latest.jobId)}
          empty={
            <Empty
              title={`No job failed that was submitted in the last ${title}`}
              cli={`jobyard jobs --tenant ${shellWord(tenantName ?? "demo")} --state failed --since ${since}`}
            >
              When jobs fail they stand here, grouped by what went wrong. In a terminal:
            </Empty>
          }
        />
      </Shown>
    </>
  );
}

interface Said {
  readonly novelty: Novelty;
  readonly why: string;
}
type NoveltyIn = (group: FailureGroup) => Said | undefined;

/** Undefined until the earlier jobs are read. */
function noveltiesOf(earlier: FailedJobs | undefined, since: string): NoveltyIn {
  if (earlier === undefined) return () => undefined;
  const groups = groupFailures(earlier.jobs);
  const now = Date.now();
  const spanMs = now - (instantOf(since, now)?.getTime() ?? now);
  const title = SPANS.find(([span]) => span === since)?.[1] ?? since;
  const among = earlier.isPart
    ? `the ${numberText(earlier.jobs.length)} jobs that failed before`
    : "the jobs before that are kept";
  return (group) => {
    const novelty = noveltyOf(group, groups, spanMs);
    if (novelty === undefined) return undefined;
    const why =
      novelty === "new"
        ? `None of ${among} failed so.`
        : `Jobs failed so before, and then none for ${title} or longer.`;
    return { novelty, why };
  };
}

const WORDS: Readonly<Record<Novelty, string>> = { new: "new", back: "back again" };

const columnsOf = (
  tenantName: string | undefined,
  since: string,
  noveltyIn: NoveltyIn,
): readonly Column<FailureGroup>[] => [
  {
    id: "error",
    title: "Error",
    cell: (group) => (
      <>
        <Novel said={noveltyIn(group)} />
        <Link className="name" href={jobHref(group.latest.jobId)} title={group.latest.failure?.message}>
          {group.latest.failure?.message ?? group.code}
        </Link>
        {group.code === "JobFailed" ? null : <code className="sub">{group.code}</code>}
      </>
    ),
  },
  {
    id: "where",
    title: "Where",
    width: "16%",
    hide: "medium",
    cell: ({ frame }) => (frame === undefined ? null : <code title={frame}>{frame}</code>),
  },
  { id: "type", title: "Type", width: "112px", hide: "small", cell: ({ jobType }) => jobType },
  {
    id: "count",
    title: "Jobs",
    width: "60px",
    isNumber: true,
    cell: ({ jobs, jobType }) => (
      <Link className="link" href={href("/jobs", { tenant: tenantName, state: "failed", type: jobType, since })}>
        {numberText(jobs.length)}
      </Link>
    ),
  },
  {
    id: "first",
    title: "First",
    width: "108px",
    isNumber: true,
    hide: "medium",
    cell: ({ firstAt }) => <Ago at={firstAt} />,
  },
  {
    id: "last",
    title: "Last",
    width: "108px",
    isNumber: true,
    hide: "small",
    cell: ({ lastAt }) => <Ago at={lastAt} />,
  },
  {
    id: "versions",
    title: "Versions",
    width: "92px",
    hide: "medium",
    cell: ({ versions }) => (
      <code title={versions.join("\n")}>
        {versions[0]?.slice(0, 7)}
        {versions.length > 1 ? ` +${versions.length - 1}` : ""}
      </code>
    ),
  },
  { id: "act", title: "Act", width: "116px", cell: (group) => <RequeueGroup group={group} /> },
];

const Novel = ({ said }: { readonly said: Said | undefined }) =>
  said === undefined ? null : (
    <span className="mark" data-novelty={said.novelty} title={said.why}>
      {WORDS[said.novelty]}
    </span>
  );
