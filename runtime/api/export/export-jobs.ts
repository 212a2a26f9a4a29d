/**
 * The jobs of a tenant or a batch, from their rows, page by page while they are consumed: batch by batch, the newest first, and
 * in a batch in the order of their ids. It holds one page at a time, however many jobs there are.
 */
import { ForbiddenError } from "../../core/errors.ts";
import { CSV_HEADER, csvEnd, csvLine } from "../../core/http/job-csv.ts";
import { type JobView, jobView } from "../../core/http/views.ts";
import { type JobFilter, matches, statesOf } from "../../core/job/job-filter.ts";
import type { Batch } from "../../core/job/job.ts";
import { EXPORT_PAGE_SIZE } from "../../core/limits.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Page, PageRequest } from "../../core/ports/stored.ts";
import type { Clock } from "../../core/clock.ts";

export interface ExportJobsDeps {
  readonly jobs: Pick<JobStore, "list">;
  readonly batches: Pick<BatchStore, "list">;
  readonly now: Clock["now"];
}

export interface ExportRequest {
  readonly filter: JobFilter;
  /** Default: all batches of the tenant. */
  readonly batch: Batch | undefined;
  /** Asked before each page of jobs. */
  readonly mayRead: () => Promise<boolean>;
}

/** Groups of jobs. Throws ForbiddenError when the caller has lost its access meanwhile, UnavailableError. */
export async function* exportJobs(
  { filter, batch: only, mayRead }: ExportRequest,
  { jobs, batches, now }: ExportJobsDeps,
): AsyncGenerator<readonly JobView[]> {
  const { tenantName } = filter;
  const [state, ...others] = statesOf(filter) ?? [];
  const narrowed = others.length === 0 ? { state } : {};
  for await (const batch of only === undefined ? itemsOf((page) => batches.list(tenantName, page)) : [only]) {
    for await (const group of pagesOf((page) => jobs.list(batch, { ...page, ...narrowed }))) {
      if (!(await mayRead())) throw new ForbiddenError("Your access ended before the export did.");
      const fitting = group.filter((job) => matches(job, filter, now()));
      if (fitting.length > 0) yield fitting.map((job) => jobView(job));
    }
  }
}

type ReadPage<T> = (request: PageRequest) => Promise<Page<T>>;

async function* pagesOf<T>(read: ReadPage<T>): AsyncGenerator<readonly T[]> {
  let continuationToken: string | undefined;
  do {
    const page = await read({ pageSize: EXPORT_PAGE_SIZE, continuationToken });
    yield page.items;
    ({ continuationToken } = page);
  } while (continuationToken !== undefined);
}

async function* itemsOf<T>(read: ReadPage<T>): AsyncGenerator<T> {
  for await (const items of pagesOf(read)) yield* items;
}

/** With a last line that says that it is whole. */
export async function* asLines(groups: AsyncIterable<readonly JobView[]>) {
  let jobs = 0;
  for await (const group of groups) {
    jobs += group.length;
    yield group;
  }
  yield [{ complete: true as const, jobs }];
}

/** The same as CSV. When it throws, the connection is cut. */
export async function* asCsv(groups: AsyncIterable<readonly JobView[]>): AsyncGenerator<Uint8Array> {
  yield Buffer.from(CSV_HEADER);
  let jobs = 0;
  for await (const group of groups) {
    jobs += group.length;
    yield Buffer.from(group.map(csvLine).join(""));
  }
  yield Buffer.from(csvEnd(jobs));
}
