import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Job, type JobContext, isNonRetryable } from "jobyard/job";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import documents from "../src/documents.ts";
import { type ReadPdf, readPdf } from "./read-pdf.ts";

const packagePath = join(import.meta.dirname, "..");
let outputPath: string;

beforeEach(async () => {
  outputPath = await mkdtemp(join(tmpdir(), "documents-"));
});
afterEach(() => rm(outputPath, { recursive: true }));

async function run(parameters: unknown, changes: Partial<JobContext> = {}) {
  const progress: [unknown, unknown][] = [];
  const logged: string[] = [];
  const job: Job = {
    jobId: "job",
    batchId: "batch",
    tenantName: "demo",
    jobName: "documents",
    jobType: "Documents",
    parameters,
    attempt: 1,
    interruption: 0,
    claimId: "claim",
    workerId: "local",
  };
  const context: JobContext = {
    packagePath,
    workingPath: outputPath,
    outputPath,
    progress: (fraction: number | string, text?: string) => progress.push([fraction, text]),
    log: (...parts: unknown[]) => logged.push(parts.join(" ")),
    signal: new AbortController().signal,
    settings: {},
    credential: { getToken: () => Promise.reject(new Error("No identity.")) },
    services: undefined,
    ...changes,
  };
  return { output: (await documents.run(job, context))?.output, progress, logged };
}

const pdf = async (name: string): Promise<ReadPdf> => readPdf(await readFile(join(outputPath, `${name}.pdf`)));

async function failureOf(parameters: unknown): Promise<string> {
  const failure: unknown = await run(parameters).catch((error: unknown) => error);
  expect(isNonRetryable(failure)).toBe(true);
  expect((await readdir(outputPath)).filter((name) => name.endsWith(".pdf"))).toEqual([]);
  return (failure as Error).message;
}

const recipient = {
  number: "K7",
  name: "Søren Ægir & Co. „Łąka“",
  contact: "Zoë Őry",
  street: "Straße des 17. Juni 3",
  postcode: "10623",
  city: "Αθήνα / София",
  country: "Türkiye",
};
const CUSTOMERS = "number,name,contact,street,postcode,city,country\n";
const item = { description: "Oak", quantity: 2.5, unit: "m", unitPrice: "10.01" };
const described = (changes: object = {}) => ({
  date: "2026-03-02",
  document: { number: "R-1", recipient, items: [item], ...changes },
});

describe("Documents", () => {
  it("renders an invoice from the parameters, in any European script", async () => {
    const items = [item, { description: "Less 3 %", quantity: 1, unit: "pcs", unitPrice: -0.75 }];
    const { output, progress } = await run(described({ items }));
    // 25.03 (25.025 rounded) − 0.75 = 24.28; 8.1 % of it are 1.97.
    expect(output).toEqual({ documents: 1, pages: 1, total: "26.25", replaced: "", files: ["R-1.pdf"] });
    const { title, createdAt, pages } = await pdf("R-1");
    expect([title, createdAt]).toEqual(["Invoice R-1", "D:20260302000000Z"]);
    const { name, contact, street } = recipient;
    for (const line of [
      name,
      contact,
      street,
      "10623 Αθήνα / София",
      "Türkiye",
      "2 March 2026",
      "1 April 2026",
      "K7",
    ]) {
      expect(pages[0]!.split("\n")).toContain(line);
    }
    for (const line of ["2.5 m", "10.01", "25.03", "-0.75", "24.28", "VAT 8.1 %", "1.97", "26.25", "Page 1 of 1"]) {
      expect(pages[0]!.split("\n")).toContain(line);
    }
    expect(progress).toEqual([
      [0, "Reading template and data"],
      [0, "R-1, 1 of 1"],
      [1, undefined],
    ]);
  });

  it("continues a long invoice on more pages, each with header, page number and subtotal", async () => {
    const items = Array.from({ length: 70 }, (_, index) => ({
      description: `Row ${index + 1} ${index % 7 === 0 ? "with a description that takes more than a single line of the table" : ""}`,
      quantity: 1,
      unit: "pcs",
      unitPrice: 1,
    }));
    await run(described({ items }));
    const { pages } = await pdf("R-1");
    expect(pages.length).toBeGreaterThan(2);
    let rows = 0;
    for (const [index, text] of pages.entries()) {
      const lines = text.split("\n");
      expect(lines).toContain(`Page ${index + 1} of ${pages.length}`);
      expect(lines).toContain("Unit price");
      const carried = lines.flatMap((line, at) => (line === "Carried forward" ? [lines[at + 1]] : []));
      const before = `${rows}.00`;
      rows += lines.filter((line) => line.startsWith("Row ")).length;
      const first = index === 0 ? [] : [before];
      expect(carried).toEqual(index === pages.length - 1 ? first : [...first, `${rows}.00`]);
    }
    expect(rows).toBe(70);
    expect(pages.at(-1)).toContain("75.67");
  });

  it("renders many of the shipped customers in one job", async () => {
    const { output, progress } = await run({ date: "2026-03-02", from: 10, count: 12 });
    const files = Array.from({ length: 12 }, (_, index) => `2026-C${1010 + index}.pdf`);
    expect(output).toMatchObject({ documents: 12, files, replaced: "" });
    expect((await readdir(outputPath)).sort()).toEqual(files);
    const read = await Promise.all(files.map((file) => pdf(file.replace(".pdf", ""))));
    expect((output as { pages: number }).pages).toBe(read.reduce((sum, { pages }) => sum + pages.length, 0));
    // One of them orders all year and gets several pages.
    expect(read[7]!.pages.length).toBeGreaterThan(2);
    expect(progress.slice(1).map(([fraction]) => fraction)).toEqual(files.map((_, index) => index / 12).concat(1));
  });

  it("has a document for each of the shipped customers", async () => {
    const { output } = await run({ date: "2026-03-02", template: "templates/letter.json", from: 1, count: 240 });
    expect(output).toMatchObject({ documents: 240, pages: 240, total: "0.00", replaced: "" });
    expect((await pdf("2026-C1240")).pages[0]).toContain("Closed for the summer");
  }, 60_000);

  it("makes the same bytes again, for one document or many", async () => {
    await run({ date: "2026-03-02", from: 14, count: 6 });
    const first = await readFile(join(outputPath, "2026-C1017.pdf"));
    await run({ date: "2026-03-02", from: 17 });
    expect(first.equals(await readFile(join(outputPath, "2026-C1017.pdf")))).toBe(true);
  });

  it("replaces characters that its fonts lack and logs them", async () => {
    const name = "株 Ṽalue\u202e \tİ e\u0301";
    const { output, logged } = await run(described({ recipient: { ...recipient, name } }));
    expect(output).toMatchObject({ replaced: "株 Ṽ" });
    expect(logged).toEqual(['The fonts have no 株 Ṽ: shown without accents or as "?".']);
    expect((await pdf("R-1")).pages[0]).toContain("? Value  İ é");
  });

  it("stops when canceled, between two documents", async () => {
    const abort = new AbortController();
    const progress = (fraction: number | string) => (fraction === 0.5 ? abort.abort() : undefined);
    const running = run({ date: "2026-03-02", from: 1, count: 4 }, { signal: abort.signal, progress });
    await expect(running).rejects.toMatchObject({ name: "AbortError" });
    expect((await readdir(outputPath)).sort()).toEqual(["2026-C1001.pdf", "2026-C1002.pdf", "2026-C1003.pdf"]);
  });
});

describe("Invalid documents", () => {
  it.each([
    ["nothing to render", { date: "2026-03-02" }, "expected either a document, or from which row"],
    ["two things to render", { ...described(), from: 1 }, "expected either a document, or from which row"],
    ["no date", { from: 1 }, "date"],
    ["a date that does not exist", { date: "2026-02-30", from: 1 }, "date"],
    ["more than a job may", { date: "2026-03-02", from: 1, count: 501 }, "count"],
    ["customers that are not there", { date: "2026-03-02", from: 240, count: 2 }, "There are 240 customers, not 241."],
    ["a name for a path", described({ number: "../R-1" }), "expected letters, digits and hyphens"],
    ["a part of a cent", described({ items: [{ ...item, unitPrice: 0.125 }] }), "at most 2 decimals, not 0.125"],
    [
      "an amount too wide",
      described({ items: [{ ...item, unitPrice: "99999999.99" }] }),
      "amounts of at most 99999999.99",
    ],
    ["an invoice of nothing", described({ items: [] }), "R-1 has no items"],
    ["no such template", { ...described(), template: "templates/none.json" }, "There is no file"],
    ["a file that is not a template", { ...described(), template: "customers.csv" }, "The template is not JSON"],
  ])("fail for good: %s", async (_, parameters, message) => {
    expect(await failureOf(parameters)).toContain(message);
  });

  it.each([
    [{ colour: "green" }, "The template is wrong: colour: expected a colour like #1d6f5f."],
    [{ locale: "no_language" }, "The template is wrong: locale:"],
    [{ title: "Invoice {{nummer}}" }, "The template uses {{nummer}}; known names are number, customer, name"],
    [{ tilte: "Invoice" }, 'Unrecognized key: "tilte"'],
  ])("fail for good on a template with %j", async (changes, message) => {
    const invoice = JSON.parse(await readFile(join(packagePath, "data/templates/invoice.json"), "utf8")) as object;
    const template = join(outputPath, "template.json");
    await writeFile(template, JSON.stringify({ ...invoice, ...changes }));
    expect(await failureOf({ ...described(), template })).toContain(message);
  });

  it.each([
    ["customers", "number,name\n", "customers: expected the columns number,name,contact"],
    ["customers", `${CUSTOMERS}C1,A,,S,1,C\n`, "customers, line 2: expected 7 fields."],
    ["customers", `${CUSTOMERS}../C1,A,,S,1,C,D\n`, "customers, line 2: number: expected letters"],
    ["customers", `${CUSTOMERS}C1,A,,S,1,C,D\nC1,A,,S,1,C,D\n`, "customers: a number is listed twice."],
    [
      "items",
      "customer,description,quantity,unit,unitPrice\nC1001,Oak,two,m,1.00\n",
      "items, line 2: quantity: expected a number",
    ],
    ["items", "customer,description,quantity,unit,unitPrice\nC9,Oak,2,m,1.00\n", 'items: there is no customer "C9".'],
  ])("fail for good on a table of %s like %j", async (table, csv, message) => {
    const file = join(outputPath, "table.csv");
    await writeFile(file, csv);
    const items = table === "items" ? file : join(outputPath, "items.csv");
    await writeFile(join(outputPath, "items.csv"), "customer,description,quantity,unit,unitPrice\n");
    expect(await failureOf({ date: "2026-03-02", from: 1, items, [table]: file })).toContain(message);
  });
});
