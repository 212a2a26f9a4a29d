/** Finds the declaration of a job type among the exports of a module, or says why there is none. */
import { type JobDefinition, isJobDefinition } from "../../../job-sdk/index.ts";

export type FoundDefinition =
  | { readonly found: JobDefinition }
  | { readonly code: "EntryPointInvalid" | "JobTypeUnknown"; readonly message: string };

/** `exportName` undefined: any export may declare it. */
export function findDefinition(
  exports: Readonly<Record<string, unknown>>,
  { jobType, exportName, file }: { jobType: string; exportName: string | undefined; file: string },
): FoundDefinition {
  const candidates = exportName === undefined ? Object.values(exports) : [exports[exportName]];
  const definitions = candidates.filter(isJobDefinition);
  const found =
    definitions.find((definition) => definition.jobType === jobType) ??
    // A timer without a name of its own is what the manifest says of its export.
    (exportName === undefined ? undefined : definitions.find((definition) => definition.jobType === undefined));
  if (found !== undefined) return { found };
  if (definitions.length > 0) {
    const types = definitions.map((definition) => definition.jobType ?? "(a timer without a name)");
    const known = [...new Set(types)].sort().join(", ");
    return { code: "JobTypeUnknown", message: `${file} declares no job type "${jobType}", only: ${known}.` };
  }
  const where = exportName === undefined ? "" : ` as "${exportName}"`;
  return {
    code: "EntryPointInvalid",
    message: `${file} exports nothing made by defineJob or scalableTimerJob${where}.`,
  };
}
