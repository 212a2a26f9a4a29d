/** What is noted of a package when it is published. */
import type { PackageFacts } from "../core/ports/package-store.ts";
import type { InspectedPackage } from "./inspect-package.ts";

export const packageFacts = ({ manifest, sha256 }: InspectedPackage, uploadedBy: string): PackageFacts => ({
  sha256,
  uploadedBy,
  jobTypes: manifest.jobs.map(({ jobType }) => jobType),
  timerCount: manifest.timers?.length ?? 0,
});
