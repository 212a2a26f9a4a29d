/** The export of a tenant's or a batch's jobs: what may be asked for, and the lines of the answer. */
import * as z from "zod";
import { jobFilterFields } from "./requests.ts";
import { EXPORT_FORMATS } from "./job-csv.ts";
import { jobViewSchema, submitLineSchema } from "./views.ts";

export const CSV_MEDIA_TYPE = "text/csv";

export const exportJobsSchema = z.strictObject({
  ...jobFilterFields,
  format: z.enum(EXPORT_FORMATS).default("ndjson").meta({ description: "`csv` leaves out the starts of each job." }),
});

/** The last line of an export that is whole. */
const exportEndSchema = z
  .object({ complete: z.literal(true), jobs: z.int().min(0).meta({ description: "Lines before this one." }) })
  .meta({ id: "ExportEnd" });

const [, brokenOffSchema] = submitLineSchema.options;

export const exportLineSchema = z.union([jobViewSchema, exportEndSchema, brokenOffSchema]);
