/** How a job checks its parameters: with a function of its own, or with a schema of any validation library. */
import { NonRetryableError, isNonRetryable } from "./errors.ts";

/** What zod, valibot, arktype and others have in common (https://standardschema.dev), as far as it is needed here. */
export interface ParameterSchema<Parameters> {
  readonly "~standard": {
    readonly validate: (value: unknown) => SchemaResult<Parameters> | Promise<SchemaResult<Parameters>>;
  };
}

type SchemaResult<Parameters> =
  { readonly value: Parameters; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export type ParameterCheck<Parameters> = ((value: unknown) => Parameters) | ParameterSchema<Parameters>;

/** Throws NonRetryableError: the parameters will be the same next time. */
export async function checkParameters<Parameters>(
  jobType: string,
  check: ParameterCheck<Parameters> | undefined,
  value: unknown,
): Promise<Parameters> {
  if (check === undefined) return value as Parameters;
  const refused = (reason: string, cause?: unknown) =>
    new NonRetryableError(`The parameters do not fit ${jobType}: ${reason}`, { cause });
  if ("~standard" in check) {
    const result = await check["~standard"].validate(value);
    if (result.issues === undefined) return result.value;
    throw refused(result.issues.map(showIssue).join("; "));
  }
  try {
    return check(value);
  } catch (error) {
    throw isNonRetryable(error) ? error : refused(error instanceof Error ? error.message : String(error), error);
  }
}

function showIssue({ message, path = [] }: SchemaIssue): string {
  const keys = path.map((part) => String(typeof part === "object" ? part.key : part));
  return keys.length === 0 ? message : `${keys.join(".")}: ${message}`;
}
