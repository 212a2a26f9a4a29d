/** Renders documents to PDF: one that the parameters describe, or several from the package's tables. */
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { NonRetryableError, defineJob } from "jobyard/job";
import * as z from "zod";
import { DocumentContent, contentsOf } from "./content.ts";
import { decimalText } from "./decimal.ts";
import { loadFonts } from "./fonts.ts";
import { render } from "./render.ts";
import { parseTemplate } from "./template.ts";

/** Half of the artifacts that a job may have, and about a minute of work. Submit more jobs for more documents. */
const DOCUMENTS_MAX = 500;

const DocumentParameters = z
  .object({
    /** Files of this package's `data` folder, or absolute paths. */
    template: z.string().min(1).default("templates/invoice.json"),
    customers: z.string().min(1).default("customers.csv"),
    items: z.string().min(1).default("items.csv"),
    /** The date on the documents. Nothing else in them depends on time, so a second attempt makes the same files. */
    date: z.iso.date(),
    /** Content of a single document. */
    document: DocumentContent.optional(),
    /** Number of customers to render, from this row of their table. */
    from: z.int().min(1).optional(),
    count: z.int().min(1).max(DOCUMENTS_MAX).default(1),
  })
  .refine(({ document, from }) => (document === undefined) !== (from === undefined), {
    error: "expected either a document, or from which row of the customers to render",
  });

type DocumentParameters = z.infer<typeof DocumentParameters>;

export default defineJob({
  jobType: "Documents",
  retry: { maxAttempts: 3 },
  timeoutMs: 15 * 60_000,
  parameters: DocumentParameters,
  async run({ parameters }, { packagePath, outputPath, progress, log, signal }) {
    progress(0, "Reading template and data");
    const read = (file: string) => readText(resolve(packagePath, "data", file), signal);
    const template = parseTemplate(await read(parameters.template));
    const contents = await contentsOfJob(parameters, read);
    const fonts = await loadFonts(packagePath);
    const date = new Date(`${parameters.date}T00:00:00Z`);

    const files: string[] = [];
    let pageCount = 0;
    let total = 0;
    for (const [index, content] of contents.entries()) {
      signal.throwIfAborted();
      progress(index / contents.length, `${content.number}, ${index + 1} of ${contents.length}`);
      const rendered = await render({ template, content, date, fonts });
      await writeFile(join(outputPath, `${content.number}.pdf`), rendered.pdf);
      files.push(`${content.number}.pdf`);
      pageCount += rendered.pages;
      total += rendered.total;
    }
    const replaced = [...fonts.replaced].join(" ");
    if (replaced !== "") log(`The fonts have no ${replaced}: shown without accents or as "?".`);
    progress(1);
    return { output: { documents: files.length, pages: pageCount, total: decimalText(total, 2), replaced, files } };
  },
});

async function readText(path: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(path, { encoding: "utf8", signal });
  } catch (error) {
    signal.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new NonRetryableError(`There is no file ${path}.`, { cause: error });
  }
}

async function contentsOfJob(
  { document, from = 1, count, customers, items, date }: DocumentParameters,
  read: (file: string) => Promise<string>,
): Promise<readonly DocumentContent[]> {
  if (document !== undefined) return [document];
  const all = contentsOf({ customers: await read(customers), items: await read(items) }, date.slice(0, 4));
  if (from + count - 1 <= all.length) return all.slice(from - 1, from - 1 + count);
  throw new NonRetryableError(`There are ${all.length} customers, not ${from + count - 1}.`);
}
