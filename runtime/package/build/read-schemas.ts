/**
 * The JSON Schemas of jobs that declare their parameters or output with a schema. Only the running code knows them, so the
 * bundled modules are loaded once, in a process without the environment of this one and with a time limit. Packages without
 * such jobs are packed without running them.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { messageOf } from "../../core/errors.ts";
import type { JsonSchema } from "../../core/package/json-schema.ts";
import { jsonSchema } from "../../core/package/manifest-fields.ts";
import type { ManifestJob } from "../../core/package/manifest.ts";
import type { JobDeclaration } from "./declarations.ts";
import type { PackProblem } from "./problem.ts";
import { type ReadJob, type ReadSchema, SCHEMA_PROGRAM, type SchemaRequest } from "./schema-program.ts";

export interface SchemasRequest {
  /** The author's folder. */
  readonly directory: string;
  readonly jobs: readonly JobDeclaration[];
  /** The path in the package of each source file. */
  readonly entryFiles: ReadonlyMap<string, string>;
  /** Everything that is packed except copied modules. */
  readonly files: readonly { readonly path: string; readonly content: Uint8Array }[];
}

export interface ReadSchemas {
  readonly byJobType: ReadonlyMap<string, Pick<ManifestJob, "parameters" | "output">>;
  readonly warnings: readonly PackProblem[];
}

/** Loading takes milliseconds; a module that waits for something would keep the author waiting. */
const TIME_LIMIT_MS = 20_000;

/** Never throws for a package: a schema that cannot be read is a warning, and its job judges alone. */
export async function readSchemas(request: SchemasRequest): Promise<ReadSchemas> {
  const jobs = request.jobs.filter(({ hasChecks }) => hasChecks);
  if (jobs.length === 0) return { byJobType: new Map(), warnings: [] };
  const root = await mkdtemp(join(tmpdir(), "jobyard-schemas-"));
  try {
    const answers = await readAll({ ...request, jobs }, root);
    return collect(jobs, answers);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function readAll({ directory, jobs, entryFiles, files }: SchemasRequest, root: string): Promise<ReadJob[]> {
  const code = join(root, "package");
  for (const { path, content } of files) {
    await mkdir(dirname(join(code, path)), { recursive: true });
    await writeFile(join(code, path), content);
  }
  const answer = join(root, "answer.json");
  const asked = jobs.map(({ file, exportName }) => ({ file: entryFiles.get(file) ?? file, exportName }));
  const problem = await run({ root: code, source: directory, answer, jobs: asked });
  return problem === undefined
    ? (JSON.parse(await readFile(answer, "utf8")) as ReadJob[])
    : jobs.map(() => ({ problem }));
}

/** Resolves to why there is no answer. */
async function run(request: SchemaRequest): Promise<string | undefined> {
  const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "--eval", SCHEMA_PROGRAM], {
    cwd: request.root,
    env: { TZ: "UTC" },
    stdio: ["pipe", "ignore", "pipe"],
    timeout: TIME_LIMIT_MS,
    killSignal: "SIGKILL",
  });
  // It may end before it has read everything; how it ended says more.
  child.stdin.on("error", () => undefined);
  child.stdin.end(JSON.stringify(request));
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(messageOf(error)));
    child.once("close", (exitCode, signal) => {
      if (exitCode === 0) resolve(undefined);
      else if (signal === "SIGKILL") resolve(`it was not loaded after ${TIME_LIMIT_MS / 1_000} s`);
      else resolve(`its process ended with ${signal ?? `exit code ${exitCode}`}`);
    });
  });
  const [problem, errors] = await Promise.all([ended, text(child.stderr)]);
  if (problem === undefined) return undefined;
  const cause = /^\w*Error: .*$/m.exec(errors)?.[0];
  return cause === undefined ? problem : `${problem}: ${cause}`;
}

function collect(jobs: readonly JobDeclaration[], answers: readonly ReadJob[]): ReadSchemas {
  const byJobType = new Map<string, Pick<ManifestJob, "parameters" | "output">>();
  const warnings: PackProblem[] = [];
  for (const [index, { jobType, position }] of jobs.entries()) {
    const warn = (what: string, why: string): void =>
      void warnings.push({ message: `The ${what} of ${jobType} cannot be judged before it runs: ${why}.`, position });
    const { parameters, output, problem } = answers[index] ?? { problem: "there was no answer" };
    if (problem !== undefined) {
      warn("parameters and output", `its module cannot be loaded here (${problem})`);
      continue;
    }
    const schemaOf = (what: "parameters" | "output", read: ReadSchema = {}): JsonSchema | undefined => {
      if (read.problem !== undefined) warn(what, `its schema has no form as JSON Schema (${read.problem})`);
      if (read.schema === undefined) return undefined;
      const checked = jsonSchema.safeParse(read.schema);
      if (!checked.success) warn(what, `${checked.error.issues[0]?.message}`);
      return checked.success ? withoutDialect(checked.data) : undefined;
    };
    const schemas = { parameters: schemaOf("parameters", parameters), output: schemaOf("output", output) };
    const { parameters: taken, output: kept } = schemas;
    byJobType.set(jobType, { ...(taken && { parameters: taken }), ...(kept && { output: kept }) });
  }
  return { byJobType, warnings };
}

/** The manifest says which one it is: 2020-12. */
const withoutDialect = ({ $schema: _, ...schema }: JsonSchema): JsonSchema => schema;
