/** The system itself, in answers of the web API. */
import * as z from "zod";
import { PROGRAM_STATES, type ProgramStatus } from "../ports/programs.ts";
import type { Frozen } from "./views.ts";

export const programParams = z.object({
  programName: z.string().meta({ description: "The program.", examples: ["worker-1"] }),
});

export const programViewSchema = z
  .object({
    name: z.string(),
    state: z.enum(PROGRAM_STATES),
    startedAt: z.iso.datetime().meta({ description: "Of its latest start." }),
    restartCount: z.int().min(0).meta({ description: "How often it has ended and was started again." }),
  })
  .meta({ id: "Program" });

export const systemViewSchema = z
  .object({
    sweptAt: z.iso.datetime().optional().meta({
      description: "When the sweeper has last compared rows and messages. Absent: it has not yet, or storage is away.",
    }),
    programs: z.array(programViewSchema).meta({
      description:
        "What the supervisor of `npm start` runs. Empty elsewhere: App Service and systemd show their programs.",
    }),
  })
  .meta({ id: "System" });

export type ProgramView = Frozen<z.infer<typeof programViewSchema>>;
export type SystemView = Frozen<z.infer<typeof systemViewSchema>>;

export const programView = ({ startedAt, ...program }: ProgramStatus): ProgramView => ({
  ...program,
  startedAt: startedAt.toISOString(),
});
