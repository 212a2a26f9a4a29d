/** The filter of the list of jobs, as it is in the address and on a command line. */
import { href } from "../../components/address.ts";
import { shellWord } from "../../components/copy.tsx";
import type { JobFilter } from "../../data/found-jobs.ts";
import { JOB_STATES } from "../../../runtime/core/job/states.ts";

export const STATES = ["queued", "delayed", ...JOB_STATES.filter((state) => state !== "queued")] as const;
type ListState = (typeof STATES)[number];

/** From `failed,running`. Other words are left out. */
export const statesIn = (text: string | undefined): readonly ListState[] =>
  STATES.filter((state) => text?.split(",").includes(state));

/** With one state more, or one less. `delayed` stands alone: it is not a state of its own. */
export function toggled(states: readonly ListState[], state: ListState): readonly ListState[] {
  if (states.includes(state)) return states.filter((one) => one !== state);
  if (state === "delayed") return [state];
  return STATES.filter((one) => one === state || (one !== "delayed" && states.includes(one)));
}

export const isFiltered = ({ states, ...fields }: JobFilter): boolean =>
  states.length > 0 || Object.values(fields).some((value) => value !== undefined);

export const jobsHref = (tenantName: string | undefined, filter: Partial<JobFilter>): string =>
  href("/jobs", {
    tenant: tenantName,
    state: filter.states === undefined || filter.states.length === 0 ? undefined : filter.states.join(","),
    type: filter.jobType,
    package: filter.jobProcessorPackageName,
    tag: filter.tag,
    batch: filter.batchId,
    text: filter.text,
    since: filter.since,
    until: filter.until,
  });

/** The options of `jobyard jobs` and `jobyard actions start` that choose the same jobs. Without the batch. */
export function optionWords(tenantName: string | undefined, filter: JobFilter): readonly string[] {
  const { states, jobType, jobProcessorPackageName, tag, text, since, until } = filter;
  const named = states.filter((state) => state !== "delayed");
  const options: readonly (readonly [flag: string, values: readonly (string | undefined)[]])[] = [
    ["--tenant", [tenantName]],
    ["--type", [jobType]],
    ["--package", [jobProcessorPackageName]],
    ["--tag", [tag]],
    ["--text", [text]],
    ["--since", [since]],
    ["--until", [until]],
    // Last: it takes all words that follow.
    ["--state", named],
  ];
  return [
    ...(states.includes("delayed") ? ["--delayed"] : []),
    ...options.flatMap(([flag, values]) => {
      const words = values.flatMap((value) => (value === undefined ? [] : [shellWord(value)]));
      return words.length === 0 ? [] : [flag, ...words];
    }),
  ];
}

/** The line that lists the same jobs. */
export function listLine(tenantName: string | undefined, filter: JobFilter): string {
  const of = filter.batchId === undefined ? [] : [shellWord(filter.batchId)];
  return ["jobyard jobs", ...of, ...optionWords(tenantName, filter)].join(" ");
}
