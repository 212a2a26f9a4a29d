/** The template of a document: fixed texts, with names in double braces for the document's own values. */
import { NonRetryableError } from "jobyard/job";
import * as z from "zod";

const text = z.string().max(3_000);
const lines = z.array(text).max(8);

const Template = z.strictObject({
  /** Determines how numbers and dates are written. */
  locale: z.string().default("en-GB"),
  currency: z.string().default("EUR"),
  colour: z.string().regex(/^#[0-9a-f]{6}$/i, "expected a colour like #1d6f5f"),
  sender: z.strictObject({ name: text, address: lines, contact: lines }),
  title: text,
  /** Beside the address. */
  facts: z.array(z.tuple([text, text])).max(8),
  paymentDays: z.int().min(0).max(365).default(30),
  /** Paragraphs before and after the table. */
  opening: z.array(text).max(50),
  closing: z.array(text).max(50),
  /** If absent, the document is a letter. */
  table: z
    .strictObject({
      columns: z.strictObject({
        position: text,
        description: text,
        quantity: text,
        unitPrice: text,
        amount: text,
      }),
      taxPercent: z.number().min(0).max(100),
      net: text,
      tax: text,
      total: text,
      carriedForward: text,
    })
    .optional(),
  /** Columns at the foot of every page. */
  footer: z.array(lines).max(3),
  page: text,
});

export type Template = z.infer<typeof Template>;
export type TableTemplate = NonNullable<Template["table"]>;

/** Throws NonRetryableError, because another attempt would read the same template. */
export function parseTemplate(json: string): Template {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new NonRetryableError(`The template is not JSON: ${(cause as Error).message}`, { cause });
  }
  const result = Template.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new NonRetryableError(`The template is wrong: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}.`);
}

/** Replaces "{{name}}". An unknown name is an error in the template. */
export const fill = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value !== undefined) return value;
    throw new NonRetryableError(`The template uses {{${name}}}; known names are ${Object.keys(values).join(", ")}.`);
  });
