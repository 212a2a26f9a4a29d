/**
 * Judges the inputs of a resource as ARM does before it creates anything: by their types, and by the limits in
 * limits.ts.
 */
import { inputFields, type Fields, type InputType } from "./input-types.ts";
import { LIMITS, TAGS } from "./limits.ts";

type Inputs = Readonly<Record<string, unknown>>;

/** What ARM would refuse, each with its path; empty when it takes all. Limits hold for inputs of the right type. */
export function armProblems(type: string, inputs: Inputs): readonly string[] {
  const mistaken = fieldProblems("", inputFields(type), inputs);
  return mistaken.length > 0 ? mistaken : limitProblems(type, inputs);
}

function fieldProblems(path: string, fields: Fields, value: Inputs): readonly string[] {
  const given = Object.entries(value).filter(([, field]) => field !== undefined);
  const missing = [...fields].filter(([name, { isRequired }]) => isRequired && value[name] === undefined);
  return [
    ...missing.map(([name]) => `${path}${name} is required`),
    ...given.flatMap(([name, field]) => {
      const declared = fields.get(name);
      return declared === undefined
        ? [`${path}${name} is no input`]
        : typeProblems(`${path}${name}`, declared.type, field);
    }),
  ];
}

function typeProblems(path: string, type: InputType, value: unknown): readonly string[] {
  switch (type.kind) {
    case "anything":
      return [];
    case "string":
    case "number":
    case "boolean":
      return typeof value === type.kind ? [] : [`${path} must be a ${type.kind}`];
    case "words":
      return type.words.includes(value) ? [] : [`${path} must be one of ${type.words.join(", ")}`];
    case "list":
      if (!Array.isArray(value)) return [`${path} must be a list`];
      return value.flatMap((item, index) => typeProblems(`${path}[${index}]`, type.item, item));
    case "map":
      if (!isObject(value)) return [`${path} must be an object`];
      return Object.entries(value).flatMap(([key, item]) => typeProblems(`${path}.${key}`, type.value, item));
    case "object":
      return isObject(value) ? fieldProblems(`${path}.`, type.fields(), value) : [`${path} must be an object`];
    case "union": {
      // Of several forms the one that was meant is the one with the fewest problems.
      const [best] = type.options
        .map((option) => typeProblems(path, option, value))
        .toSorted((a, b) => a.length - b.length);
      return best ?? [];
    }
  }
}

const isObject = (value: unknown): value is Inputs =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function limitProblems(type: string, inputs: Inputs): readonly string[] {
  const limits = LIMITS[type.replace(/^azure-native:/, "")];
  if (limits === undefined) return [`limits.ts has no limits of ${type}`];
  return Object.entries({ tags: TAGS, ...limits }).flatMap(([path, schema]) =>
    [...valuesAt(inputs, path)].flatMap((value) => {
      const { error } = schema.safeParse(value);
      return error?.issues.map(({ message }) => `${path}: ${message}`) ?? [];
    }),
  );
}

/** Every value at a path such as `rules[].name`; those that are not given are left to the types. */
function valuesAt(value: unknown, path: string): readonly unknown[] {
  if (path === "") return [value];
  const [step = "", ...rest] = path.split(".");
  const inner = (value as Inputs)[step.replace("[]", "")];
  if (inner === undefined) return [];
  const found = step.endsWith("[]") ? (inner as readonly unknown[]) : [inner];
  return found.flatMap((one) => valuesAt(one, rest.join(".")));
}

/** Whether a path of limits.ts leads to an input of the resource. */
export const hasInput = (resourceType: string, path: string): boolean =>
  leadsSomewhere({ kind: "object", fields: () => inputFields(`azure-native:${resourceType}`) }, path);

function leadsSomewhere(type: InputType | undefined, path: string): boolean {
  if (path === "") return type !== undefined;
  if (type?.kind === "anything") return true;
  if (type?.kind === "union") return type.options.some((option) => leadsSomewhere(option, path));
  if (type?.kind !== "object") return false;
  const [step = "", ...rest] = path.split(".");
  const inner = type.fields().get(step.replace("[]", ""))?.type;
  const isList = step.endsWith("[]");
  if (isList && inner?.kind !== "list") return false;
  return leadsSomewhere(isList && inner?.kind === "list" ? inner.item : inner, rest.join("."));
}
