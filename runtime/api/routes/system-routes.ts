/** Operations on the system itself: when it was swept, and the programs of `npm start`. */
import { NotFoundError, UnavailableError, UnreadableError } from "../../core/errors.ts";
import { emptySchema } from "../../core/http/requests.ts";
import { programParams, programView, programViewSchema, systemViewSchema } from "../../core/http/system-api.ts";
import type { Programs } from "../../core/ports/programs.ts";
import type { SweepNotes } from "../../core/ports/sweep-notes.ts";
import { sleep } from "../../core/sleep.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";

export interface SystemOperationDeps {
  readonly programs: Programs;
  readonly sweepNotes: Pick<SweepNotes, "read">;
}

/** Programs are shown also while storage is away or hangs: it may be the one to restart. */
const SWEEP_NOTE_WITHIN_MS = 2_000;

export const systemOperations = (deps: SystemOperationDeps): readonly Operation[] => [
  getSystem(deps),
  getConsole(deps),
  restartProgram(deps),
];

const getSystem = ({ programs, sweepNotes }: SystemOperationDeps) =>
  operation({
    id: "getSystem",
    method: "get",
    path: "/v1/system",
    tag: "System",
    summary: "Get the last sweep, and the programs of a local system",
    needs: "operate",
    responses: { 200: { description: "The system now.", schema: systemViewSchema } },
    errors: [],
    async handle() {
      const note = await Promise.race([sweepNotes.read().catch(unlessAway), sleep(SWEEP_NOTE_WITHIN_MS)]);
      return {
        status: 200,
        body: { sweptAt: note?.sweptAt.toISOString(), programs: programs.list().map(programView) },
      };
    },
  });

function unlessAway(error: unknown): undefined {
  if (!(error instanceof UnavailableError || error instanceof UnreadableError)) throw error;
}

const getConsole = ({ programs }: SystemOperationDeps) =>
  operation({
    id: "getConsole",
    method: "get",
    path: "/v1/system/programs/{programName}/console",
    tag: "System",
    summary: "Read the end of a program's console",
    description: "At most the last 64 KiB, so the first line may be cut.",
    needs: "operate",
    params: programParams,
    responses: { 200: { description: "What it has printed last.", file: "text/plain" } },
    errors: ["ProgramNotFound"],
    async handle({ params: { programName } }) {
      const stream = await programs.openConsole(programName);
      if (stream === undefined) throw notFound(programName);
      return { status: 200, file: { blob: { contentType: "text/plain; charset=utf-8", stream } } };
    },
  });

const restartProgram = ({ programs }: SystemOperationDeps) =>
  operation({
    id: "restartProgram",
    method: "post",
    path: "/v1/system/programs/{programName}/restart",
    tag: "System",
    summary: "Restart a program of a local system",
    description:
      "It stops as at the end of `npm start` and starts again at once. A worker gives its jobs some seconds to end, and hands " +
      "back the rest without costing them an attempt. If it is the API, calls fail until it is back.",
    needs: "operate",
    params: programParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 202: { description: "Accepted. The program as it was before.", schema: programViewSchema } },
    errors: ["ProgramNotFound"],
    handle({ params: { programName } }) {
      const program = programs.list().find(({ name }) => name === programName);
      if (program === undefined || !programs.restart(programName)) throw notFound(programName);
      return { status: 202 as const, body: programView(program) };
    },
  });

const notFound = (programName: string): NotFoundError =>
  new NotFoundError(
    "ProgramNotFound",
    `The supervisor of this API runs no program ${programName}. Only those of npm start can be read and restarted here.`,
  );
