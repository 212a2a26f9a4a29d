/** The fields of a schema: name, type in a few words, what it means. What lies in a field unfolds. */
import { useState } from "react";
import { Markdown } from "../../components/markdown.tsx";
import { nameOf, resolved, type Reference, type Schema } from "../../data/reference.ts";

export interface FieldRow {
  readonly name: string;
  readonly schema: Schema;
  readonly required: boolean;
  readonly description?: string | undefined;
}

export interface FieldsProps {
  readonly reference: Reference;
  /** Of these fields, or of this schema. */
  readonly rows?: readonly FieldRow[];
  readonly schema?: Schema;
}

export function Fields({ rows, schema = {}, reference }: FieldsProps) {
  const listed = rows ?? rowsOf(schema, reference);
  if (listed.length === 0) return <p className="muted">{typeText(schema, reference)}</p>;
  return (
    <ul className="field-list">
      {listed.map(({ name, schema: inner, required, description }) => {
        const said = description ?? inner.description ?? resolved(inner, reference).description;
        return (
          <li key={name}>
            <code>{name}</code>{" "}
            <span className="muted">
              {typeText(inner, reference)}
              {required ? "" : ", optional"}
            </span>
            {said === undefined ? null : <Markdown text={said} />}
            <Inner schema={inner} reference={reference} name={name} />
          </li>
        );
      })}
    </ul>
  );
}

/** Made when it is unfolded: schemas can be deep. */
function Inner({
  schema,
  reference,
  name,
}: {
  readonly schema: Schema;
  readonly reference: Reference;
  readonly name: string;
}) {
  const [isOpen, setOpen] = useState(false);
  if (rowsOf(schema, reference).length === 0) return null;
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>Fields of {name}</summary>
      {isOpen ? <Fields schema={schema} reference={reference} /> : null}
    </details>
  );
}

/** Of an object, or of the items of a list; of alternatives those of each. */
function rowsOf(given: Schema, reference: Reference): readonly FieldRow[] {
  const schema = resolved(given, reference);
  if (schema.items !== undefined) return rowsOf(schema.items, reference);
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) {
    const all = either.flatMap((one) => rowsOf(one, reference));
    return [...new Map(all.map((row) => [row.name, row])).values()];
  }
  return Object.entries(schema.properties ?? {}).map(([name, inner]) => ({
    ...{ name, schema: inner, required: schema.required?.includes(name) === true },
  }));
}

function typeText(schema: Schema, reference: Reference): string {
  if (schema.$ref !== undefined) {
    const named = resolved(schema, reference);
    return named.enum === undefined ? nameOf(schema.$ref) : typeText(named, reference);
  }
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) return either.map((one) => typeText(one, reference)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => String(value)).join(", ");
  if (schema.items !== undefined) return `list of ${typeText(schema.items, reference)}${limitsOf(schema)}`;
  return `${schema.format ?? (schema.type === undefined ? "any JSON" : String(schema.type))}${limitsOf(schema)}`;
}

function limitsOf({ minimum, maximum, minLength, maxLength, maxItems, default: fallback }: Schema): string {
  const range = (low: number | undefined, high: number | undefined, unit: string): readonly string[] => {
    if (low === undefined && high === undefined) return [];
    if (high === undefined) return [`at least ${low}${unit}`];
    return [low === undefined ? `at most ${high}${unit}` : `${low} to ${high}${unit}`];
  };
  const limits = [
    ...range(minimum, maximum, ""),
    ...range(minLength, maxLength, " characters"),
    ...range(undefined, maxItems, " items"),
    ...(fallback === undefined ? [] : [`default ${JSON.stringify(fallback)}`]),
  ];
  return limits.map((limit) => `, ${limit}`).join("");
}
