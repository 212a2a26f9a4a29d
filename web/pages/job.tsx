/** One job on a page of its own. */
import type { PageProps } from "../components/address.ts";
import { JobDetail } from "./job/detail.tsx";

export const Page = ({ params: { jobId = "" } }: PageProps) => <JobDetail key={jobId} jobId={jobId} />;
