/** Actions in requests and answers of the web API. */
import * as z from "zod";
import { ACTION_KINDS, ACTION_STATES, type JobAction } from "../job/action.ts";
import {
  jobFilterFields,
  jobStatesSchema,
  NOT_BOTH,
  startFields,
  startsOnce,
  tags,
  tenantJobsParams,
} from "./requests.ts";
import type { Frozen } from "./views.ts";

export const actionParams = tenantJobsParams.extend({
  actionId: z.string().meta({ description: "The action.", examples: ["acme.zybsgfhyhz3d8k1v6p"] }),
});

const kind = z.enum(ACTION_KINDS).meta({ id: "ActionKind", description: "What is done to each job." });

export const startActionSchema = z
  .strictObject({
    kind,
    filter: z
      .strictObject({
        ...jobFilterFields,
        delayed: z.literal(true).optional().meta({ description: "Only queued jobs that may not start yet." }),
      })
      .meta({ id: "JobFilter", description: "Which jobs. All that is given must hold; at least one field is needed." }),
    tags: tags.min(1, "must hold at least one tag").optional().meta({ description: "Of `tag` and `untag`." }),
    ...startFields,
    dryRun: z.boolean().optional().meta({ description: "Only count the jobs." }),
  })
  .refine(startsOnce, NOT_BOTH)
  .meta({ id: "StartAction" });

const instant = z.iso.datetime();
const count = z.int().min(0);

export const actionViewSchema = z
  .object({
    actionId: z.string(),
    tenantName: z.string(),
    kind,
    filter: z.object({
      state: jobStatesSchema.optional(),
      delayed: z.literal(true).optional(),
      jobType: z.string().optional(),
      jobProcessorPackageName: z.string().optional(),
      tag: z.string().optional(),
      batchId: z.string().optional(),
      text: z.string().optional(),
      since: instant.optional(),
      until: instant.optional().meta({ description: "At the latest its start: later jobs are not meant." }),
    }),
    tags: z.array(z.string()).optional(),
    runAt: instant.optional().meta({ description: "Of `reschedule`." }),
    dryRun: z.boolean(),
    state: z.enum(ACTION_STATES).meta({ id: "ActionState" }),
    cancelWanted: z.boolean().meta({ description: "It ends before its next step." }),
    counts: z.object({
      matched: count,
      done: count,
      refused: count.meta({ description: "In no state that allows it, when it was their turn." }),
      failed: count.meta({ description: "Storage did not answer. Start the action again." }),
    }),
    startedAt: instant,
    startedBy: z.string(),
    endedAt: instant.optional(),
  })
  .meta({ id: "Action", description: "One command on many jobs, carried out in the background." });

export type ActionView = Frozen<z.infer<typeof actionViewSchema>>;
export type StartActionBody = Frozen<z.input<typeof startActionSchema>>;

export function actionView(action: JobAction): ActionView {
  const { actionId, tenantName, kind, filter, tags, runAt, dryRun, state, cancelWanted, counts } = action;
  const { since, until, ...words } = filter;
  return {
    ...{ actionId, tenantName, kind, dryRun, state, cancelWanted, counts },
    filter: {
      ...(words.state && { state: typeof words.state === "string" ? words.state : [...words.state] }),
      ...(words.delayed && { delayed: true as const }),
      ...(words.jobType !== undefined && { jobType: words.jobType }),
      ...(words.jobProcessorPackageName !== undefined && { jobProcessorPackageName: words.jobProcessorPackageName }),
      ...(words.tag !== undefined && { tag: words.tag }),
      ...(words.batchId !== undefined && { batchId: words.batchId }),
      ...(words.text !== undefined && { text: words.text }),
      ...(since && { since: since.toISOString() }),
      ...(until && { until: until.toISOString() }),
    },
    ...(tags.length > 0 && { tags }),
    ...(runAt && { runAt: runAt.toISOString() }),
    startedAt: action.startedAt.toISOString(),
    startedBy: action.startedBy,
    ...(action.endedAt && { endedAt: action.endedAt.toISOString() }),
  };
}
