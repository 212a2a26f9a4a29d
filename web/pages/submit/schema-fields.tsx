/** Fields for a value by its JSON Schema. What has no field of its own, such as a list, is written as JSON. */
import { useId, useState } from "react";
import type { ErrorDetail } from "../../../runtime/client/index.ts";
import { pointedAt, type JsonSchema } from "../../../runtime/core/package/json-schema.ts";
import { NUMBER } from "./number.ts";

export type Fields = Readonly<Record<string, unknown>>;

export interface SchemaFieldsProps {
  readonly root: JsonSchema;
  readonly schema: JsonSchema;
  readonly value: Fields;
  /** As the API names it. */
  readonly path: string;
  readonly problems: readonly ErrorDetail[];
  readonly onChange: (value: Fields) => void;
  /** A field holds what is not JSON. */
  readonly onBroken: (path: string, isBroken: boolean) => void;
}

export const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const resolved = (root: JsonSchema, schema: unknown): JsonSchema => {
  const found = isObject(schema) && typeof schema["$ref"] === "string" ? pointedAt(root, schema["$ref"]) : schema;
  return isObject(found) ? found : {};
};

/** Objects in objects are fields as far as this. A schema can contain itself. */
const NESTED_MAX = 3;

/** Whether there is a form for it. */
export const hasFields = (schema: JsonSchema | undefined): schema is JsonSchema =>
  isObject(schema?.["properties"]) && Object.keys(schema["properties"]).length > 0;

export function SchemaFields(props: SchemaFieldsProps & { readonly depth?: number }) {
  const { root, schema, value, path, problems, onChange, onBroken, depth = 0 } = props;
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  const required = Array.isArray(schema["required"]) ? (schema["required"] as readonly unknown[]) : [];
  const set = (name: string, to: unknown): void => {
    const others = Object.entries(value).filter(([key]) => key !== name);
    onChange(Object.fromEntries(to === undefined ? others : [...others, [name, to]]));
  };
  return Object.entries(properties).map(([name, given]) => {
    const property = resolved(root, given);
    const at = /^[A-Za-z_]\w*$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`;
    const own = Object.hasOwn(value, name) ? value[name] : undefined;
    if (hasFields(property) && depth < NESTED_MAX)
      return (
        <fieldset key={name} className="fields">
          <legend>
            {name} <Needed isRequired={required.includes(name)} />
          </legend>
          <SchemaFields
            {...{ root, path: at, problems, onBroken }}
            depth={depth + 1}
            schema={property}
            value={isObject(own) ? own : {}}
            onChange={(inner) => set(name, Object.keys(inner).length === 0 ? undefined : inner)}
          />
        </fieldset>
      );
    return (
      <OneField
        key={name}
        {...{ name, at, property }}
        isRequired={required.includes(name)}
        value={own}
        problem={problemAt(problems, at)}
        onChange={(to) => set(name, to)}
        onBroken={(isBroken) => onBroken(at, isBroken)}
      />
    );
  });
}

const Needed = ({ isRequired }: { readonly isRequired: boolean }) =>
  isRequired ? <span className="muted small">required</span> : null;

/** Of the field, or of what lies in it. */
export function problemAt(problems: readonly ErrorDetail[], at: string): string | undefined {
  const own = problems.filter(
    ({ target }) => target === at || (target.startsWith(at) && /^[.[]/.test(target.slice(at.length))),
  );
  return own.length === 0
    ? undefined
    : own.map(({ target, message }) => (target === at ? message : `${target} ${message}`)).join("; ");
}

interface OneFieldProps {
  readonly name: string;
  readonly at: string;
  readonly property: JsonSchema;
  readonly isRequired: boolean;
  readonly value: unknown;
  readonly problem: string | undefined;
  readonly onChange: (value: unknown) => void;
  readonly onBroken: (isBroken: boolean) => void;
}

function OneField({ name, property, isRequired, value, problem, onChange, onBroken }: OneFieldProps) {
  const id = useId();
  const kind = kindOf(property);
  const [text, setText] = useState(() => textOf(value, kind));
  const [broken, setBroken] = useState(false);
  const says = broken ? "This is not JSON." : problem;
  const take = (now: string): void => {
    setText(now);
    const read = readField(now, kind);
    setBroken(read.isBroken === true);
    onBroken(read.isBroken === true);
    onChange(read.value);
  };
  const shared = {
    id,
    className: "input",
    value: text,
    "aria-invalid": says !== undefined,
    "aria-describedby": `${id}-says`,
    "aria-required": isRequired,
    onChange: ({ target }: { readonly target: { readonly value: string } }) => take(target.value),
  };
  const placeholder = property["default"] === undefined ? undefined : `default: ${JSON.stringify(property["default"])}`;
  const about = [property["title"], property["description"]].filter((one) => typeof one === "string").join(". ");
  return (
    <div className="field">
      <label htmlFor={id}>
        {name} <Needed isRequired={isRequired} />
      </label>
      {typeof kind !== "string" ? (
        <select {...shared}>
          <option value="">{placeholder ?? "–"}</option>
          {kind.map((choice) => (
            <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
              {String(choice)}
            </option>
          ))}
        </select>
      ) : kind === "json" ? (
        <textarea {...shared} rows={3} spellCheck={false} placeholder={placeholder ?? "JSON"} />
      ) : (
        <input
          {...shared}
          type={kind === "date" ? "date" : "text"}
          inputMode={kind === "number" ? "decimal" : undefined}
          placeholder={placeholder}
        />
      )}
      {about === "" ? null : <span className="muted small">{about}</span>}
      <span id={`${id}-says`} className="small problem" role="status">
        {says}
      </span>
    </div>
  );
}

/** A list: the values to choose from. */
type Kind = "text" | "date" | "number" | "json" | readonly unknown[];

function kindOf({ type, enum: choices, const: only, format }: JsonSchema): Kind {
  if (only !== undefined) return [only];
  if (Array.isArray(choices)) return choices as readonly unknown[];
  if (type === "boolean") return [true, false];
  if (type === "number" || type === "integer") return "number";
  if (type === "string") return format === "date" ? "date" : "text";
  return "json";
}

function textOf(value: unknown, kind: Kind): string {
  if (value === undefined) return "";
  if (typeof kind !== "string") return JSON.stringify(value);
  if (kind === "json") return JSON.stringify(value, undefined, 2);
  return typeof value === "string" ? value : JSON.stringify(value);
}

function readField(text: string, kind: Kind): { readonly value?: unknown; readonly isBroken?: true } {
  if (text.trim() === "") return {};
  if (kind === "number") return { value: NUMBER.test(text.trim()) ? Number(text) : text };
  if (kind === "text" || kind === "date") return { value: text };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { isBroken: true };
  }
}
