/**
 * The fields of `job.json`, each with a message that says what was expected. `package.json` shares some of them: there
 * an author writes what `jobyard pack` cannot find in the source.
 */
import { z } from "zod";
import { PLAIN_LINE, showUnknown } from "../text.ts";
import type { ErrorDetail } from "../errors.ts";
import { showFieldPath } from "../json.ts";
import {
  BACKOFF_MAX_MS,
  CONCURRENCY_MAX,
  IDLE_TIMEOUT_MIN_MS,
  LIMIT_KEY_PATH_MAX_LENGTH,
  MAX_ATTEMPTS_LIMIT,
  MEMORY_MAX_MB,
  MEMORY_MIN_MB,
  PACKAGE_NAME_MAX_LENGTH,
  RATE_MAX,
  RATE_SECONDS_MAX,
  SCHEMA_MAX_BYTES,
  SCHEMA_MAX_DEPTH,
  TIMEOUT_MAX_MS,
} from "../limits.ts";
import { LIMIT_KEY_PATH } from "../admission/limit.ts";
import type { JsonSchema } from "./json-schema.ts";
import { packagePathProblem } from "./package-path.ts";

/** A blob name below its tenant: letters, digits, inner dots, hyphens and underscores. */
export const PACKAGE_NAME_PATTERN = new RegExp(
  `^(?=.{1,${PACKAGE_NAME_MAX_LENGTH}}$)[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$`,
);
const EXPORT_NAME_PATTERN = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
const PROGRAM_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._+-]*$/;

/** An object whose unknown fields are refused by name, so that a typing error is noticed. */
export const strictObject = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `expected only known fields, not ${showUnknown(issue.keys, Object.keys(shape))}`
        : "expected an object",
  });

export const oneLine = (max: number) =>
  z
    .string(`expected a text of 1 to ${max} characters`)
    .refine(
      (text) => text.length > 0 && text.length <= max && text.trim() === text && PLAIN_LINE.test(text),
      `expected one line of 1 to ${max} characters, without spaces at its ends, controls, and characters that turn its direction`,
    );

export const matching = (pattern: RegExp, expected: string) =>
  z.string(`expected ${expected}`).regex(pattern, `expected ${expected}`);

const number = (min: number, max: number) => {
  const expected = `expected a number from ${min} to ${max}`;
  return z.number(expected).min(min, expected).max(max, expected);
};

export const wholeNumber = (min: number, max: number) => {
  const expected = `expected a whole number from ${min} to ${max}`;
  return z.int(expected).min(min, expected).max(max, expected);
};

export const packageFile = z.string("expected a path relative to the package").superRefine((path, context) => {
  const problem = packagePathProblem(path);
  if (problem !== undefined) {
    context.addIssue({ code: "custom", message: `expected a path relative to the package; this one ${problem}` });
  }
});

const command = z.string("expected a program").superRefine((text, context) => {
  const problem = text.includes("/") || text.includes("\\") ? packagePathProblem(text.replace(/^\.\//, "")) : undefined;
  const valid = problem === undefined && (text.includes("/") || PROGRAM_PATTERN.test(text));
  if (valid) return;
  const reason = problem === undefined ? "" : `; this one ${problem}`;
  context.addIssue({
    code: "custom",
    message: `expected a path inside the package with a slash (./tool.sh) or the name of an installed program${reason}`,
  });
});

export const exportName = matching(EXPORT_NAME_PATTERN, "the name of an export");

export const retrySchema = strictObject({
  maxAttempts: wholeNumber(1, MAX_ATTEMPTS_LIMIT).optional(),
  initialDelayMs: wholeNumber(0, BACKOFF_MAX_MS).optional(),
  factor: number(1, 100).optional(),
  maxDelayMs: wholeNumber(0, BACKOFF_MAX_MS).optional(),
  jitter: number(0, 1).optional(),
});

export const timeoutSchema = wholeNumber(1, TIMEOUT_MAX_MS);

export const idleTimeoutSchema = wholeNumber(IDLE_TIMEOUT_MIN_MS, TIMEOUT_MAX_MS);

export const memorySchema = wholeNumber(MEMORY_MIN_MB, MEMORY_MAX_MB);

export const isolationSchema = z.enum(["process", "reuse"], 'expected "process" or "reuse"');

const utf8 = new TextEncoder();

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)));

/** A JSON Schema of parameters or output. Only its size is judged: unknown keywords are left to the job. */
export const jsonSchema = z
  .custom<JsonSchema>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    "expected a JSON Schema, an object",
  )
  .refine((schema) => utf8.encode(JSON.stringify(schema)).length <= SCHEMA_MAX_BYTES, {
    error: `expected a JSON Schema of at most ${SCHEMA_MAX_BYTES} bytes`,
    abort: true,
  })
  .refine((schema) => !isDeeper(schema, SCHEMA_MAX_DEPTH), `expected at most ${SCHEMA_MAX_DEPTH} levels`);

export const commandSchema = strictObject({
  kind: z.literal("command"),
  command,
  args: z
    .array(z.string("expected a text").refine((text) => !text.includes("\0"), "expected a text without NUL"))
    .max(100, "expected at most 100 arguments")
    .optional(),
});

const platformName = matching(/^[a-z0-9_-]{1,30}$/, "a name in Node's words, like linux or x64");

export const platformSchema = strictObject({
  os: platformName,
  arch: platformName,
  libc: z.enum(["glibc", "musl"], 'expected "glibc" or "musl"').optional(),
});

/** What a failed check found, field by field, as JSON paths: `jobs[1].entry.file`. */
export const fieldProblems = (error: z.ZodError): ErrorDetail[] =>
  error.issues.map(({ path, message }) => ({ target: showFieldPath(path), message }));

const limitKey = z
  .string("expected the name of a parameter, such as parameters.customer")
  .max(LIMIT_KEY_PATH_MAX_LENGTH, `expected at most ${LIMIT_KEY_PATH_MAX_LENGTH} characters`)
  .regex(LIMIT_KEY_PATH, "expected the name of a parameter, such as parameters.customer");

/** How many jobs of a type run at once, and how many start per time; for each value of a parameter, or for all. */
export const limitsSchema = strictObject({
  concurrency: strictObject({ key: limitKey.optional(), max: wholeNumber(1, CONCURRENCY_MAX) }).optional(),
  rate: strictObject({
    key: limitKey.optional(),
    max: wholeNumber(1, RATE_MAX),
    perSeconds: number(0.1, RATE_SECONDS_MAX),
  }).optional(),
});
