/** A job as text that does the same elsewhere: in a terminal, with curl, in a program. */
import { shellWord } from "../../components/copy.tsx";
import type { JobView } from "../../../runtime/client/index.ts";

export interface CopyForm {
  readonly id: string;
  readonly title: string;
  readonly textOf: (job: JobView, origin: string) => string;
}

const requestOf = ({ tenantName, jobType, jobName, jobProcessorPackageName, priority, parameters }: JobView) => ({
  ...{ tenantName, jobType, jobName, jobProcessorPackageName, priority },
  ...(parameters !== undefined && { parameters }),
});

export const COPY_FORMS: readonly CopyForm[] = [
  {
    id: "cli",
    title: "Command that submits it again",
    textOf: ({ tenantName, jobType, jobName, jobProcessorPackageName, priority, parameters }) =>
      [
        `jobyard submit --type ${shellWord(jobType)} --package ${shellWord(jobProcessorPackageName)}`,
        `--name ${shellWord(jobName)} --tenant ${shellWord(tenantName)} --priority ${priority}`,
        ...(parameters === undefined ? [] : [`--parameters ${shellWord(JSON.stringify(parameters))}`]),
      ].join(" "),
  },
  {
    id: "curl",
    title: "curl that submits it again",
    textOf: (job, origin) =>
      [
        `curl -X POST ${shellWord(`${origin}/v1/jobs`)}`,
        `-H "authorization: Bearer $(jobyard token)"`,
        `-H 'content-type: application/json'`,
        `-d ${shellWord(JSON.stringify(requestOf(job)))}`,
      ].join(" \\\n  "),
  },
  {
    id: "typescript",
    title: "TypeScript that submits it again",
    textOf: (job) => `await client.management.submitJob(${JSON.stringify(requestOf(job), undefined, 2)});`,
  },
  { id: "address", title: "Address of this page", textOf: ({ jobId }, origin) => `${origin}/jobs/${jobId}` },
  { id: "watch", title: "Command that watches it", textOf: ({ jobId }) => `jobyard watch ${shellWord(jobId)}` },
  {
    id: "logs",
    title: "Command that prints its log",
    textOf: ({ jobId }) => `jobyard logs ${shellWord(jobId)} --follow`,
  },
];
