import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Job, type JobContext, isNonRetryable } from "jobyard/job";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { closeYear } from "../src/close-year.ts";
import yearEnd from "../src/financial-year-end.ts";
import { type Posting, formatAmount, formatRow, parseAccounts, parseLedger } from "../src/ledger.ts";

const packagePath = join(import.meta.dirname, "..");
const ACCOUNTS = "account,name,kind\n1,Bank,asset\n2,Capital,equity\n3,Sales,revenue\n4,Wages,expense\n";
const LEDGER = "date,entry,account,text,debit,credit\n";
let outputPath: string;

beforeEach(async () => {
  outputPath = await mkdtemp(join(tmpdir(), "year-end-"));
});
afterEach(() => rm(outputPath, { recursive: true }));

async function run(parameters: unknown) {
  const progress: [unknown, unknown][] = [];
  const job: Job = {
    jobId: "job",
    batchId: "batch",
    tenantName: "demo",
    jobName: "year-end",
    jobType: "FinancialYearEnd",
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
    log: () => undefined,
    signal: new AbortController().signal,
    settings: {},
    credential: { getToken: () => Promise.reject(new Error("No identity.")) },
    services: undefined,
  };
  return { output: (await yearEnd.run(job, context))?.output, progress };
}

async function failureOf(parameters: unknown): Promise<string> {
  const failure: unknown = await run(parameters).catch((error: unknown) => error);
  expect(isNonRetryable(failure)).toBe(true);
  expect(await readdir(outputPath)).not.toContain("year-end-2025.md");
  return (failure as Error).message;
}

const sum = (postings: readonly Posting[]) => postings.reduce((all, { debit, credit }) => all + debit - credit, 0);

describe("FinancialYearEnd", () => {
  it("closes a year of the sample books and writes reports that add up", async () => {
    const { output, progress } = await run({ year: 2025 });
    expect(output).toMatchObject({ year: 2025, reports: expect.arrayContaining(["year-end-2025.md"]) as string[] });
    const { debit, credit, revenue, expense, result } = output as Record<string, string>;
    expect(debit).toBe(credit);
    expect(Number(revenue) - Number(expense)).toBeCloseTo(Number(result), 2);
    expect(progress.at(0)).toEqual([0, "Reading the books"]);
    expect(progress.at(-1)).toEqual([1, "Closed"]);
    expect((await readdir(outputPath)).sort()).toEqual([
      "closing-entries-2025.csv",
      "opening-balances-2026.csv",
      "trial-balance-2025.csv",
      "year-end-2025.md",
    ]);
    expect(await readFile(join(outputPath, "year-end-2025.md"), "utf8")).toContain("in balance");
    const closing = parseLedger(await readFile(join(outputPath, "closing-entries-2025.csv"), "utf8"));
    expect(sum(closing)).toBe(0);
  });

  it("carries the balances of one year into the next", async () => {
    const accounts = parseAccounts(await readFile(join(packagePath, "data/accounts.csv"), "utf8"));
    const postings = parseLedger(await readFile(join(packagePath, "data/ledger.csv"), "utf8"));
    const books = { accounts, postings, retainedEarnings: "2900" };
    const [first, second] = [closeYear(books, 2024), closeYear(books, 2025)];
    for (const { account, opening } of second.balances) {
      expect([account.number, opening]).toEqual([account.number, first.nextOpening.get(account.number) ?? 0]);
    }
    for (const { balances, nextOpening } of [first, second]) {
      expect(balances.reduce((all, { closing }) => all + closing, 0)).toBe(0);
      expect([...nextOpening.values()].reduce((all, amount) => all + amount, 0)).toBe(0);
    }
  });

  it("brings revenue and expense to zero and the result into equity", () => {
    const postings = parseLedger(
      `${LEDGER}2025-01-01,a,1,,100.00,\n2025-01-01,a,3,,,100.00\n2025-02-01,b,4,,130.05,\n2025-02-01,b,1,,,130.05\n`,
    );
    const closed = closeYear({ accounts: parseAccounts(ACCOUNTS), postings, retainedEarnings: "2" }, 2025);
    expect(closed).toMatchObject({ revenue: 10_000, expense: 13_005, result: -3_005, entryCount: 2, postingCount: 4 });
    expect(closed.closingEntries.map(({ account, debit, credit }) => [account, debit, credit])).toEqual([
      ["3", 10_000, 0],
      ["4", 0, 13_005],
      ["2", 3_005, 0],
    ]);
    expect([...closed.nextOpening]).toEqual([
      ["1", -3_005],
      ["2", 3_005],
    ]);
  });

  it("reads books from absolute paths", async () => {
    const [ledger, accounts] = [join(outputPath, "l.csv"), join(outputPath, "a.csv")];
    await writeFile(accounts, ACCOUNTS);
    await writeFile(ledger, `${LEDGER}2025-03-01,a,1,"Fee, once",5.00,\n2025-03-01,a,3,"Fee, once",,5.00\n`);
    const { output } = await run({ year: 2025, ledger, accounts, retainedEarnings: "2" });
    expect(output).toMatchObject({ result: "5.00", entries: 1 });
  });

  it.each([
    [
      "an entry that does not balance",
      "2025-01-01,a,1,,1.00,\n2025-01-01,a,3,,,0.99\n",
      "Entry a does not balance: 0.01 too much in debit.",
    ],
    ["an unknown account", "2025-01-01,a,9,,1.00,\n", "Entry a uses account 9, which does not exist."],
    ["a broken amount", "2025-01-01,a,1,,1.5,\n", 'Line 2: "1.5" is not an amount'],
    ["a broken date", "1.1.2025,a,1,,1.00,\n", 'Line 2: "1.1.2025" is not a date'],
    ["a missing field", "2025-01-01,a,1\n", "Line 2: expected 6 fields."],
    ["no entries in the year", "2024-01-01,a,1,,1.00,\n2024-01-01,a,3,,,1.00\n", "The ledger has no entries in 2025."],
  ])("fails for good on %s", async (_, rows, message) => {
    const [ledger, accounts] = [join(outputPath, "l.csv"), join(outputPath, "a.csv")];
    await writeFile(accounts, ACCOUNTS);
    await writeFile(ledger, LEDGER + rows);
    expect(await failureOf({ year: 2025, ledger, accounts, retainedEarnings: "2" })).toContain(message);
  });

  it.each([
    [{}, "year: "],
    [{ year: "2025" }, "year: "],
    [{ year: 2025, retainedEarnings: "1020" }, "Account 1020 must be an equity account to receive the result."],
  ])("fails for good on the parameters %j", async (parameters, message) => {
    expect(await failureOf(parameters)).toContain(message);
  });
});

describe("formatAmount and formatRow", () => {
  it("write text that the parser reads", () => {
    expect([0, 5, -5, 123_450, -100].map(formatAmount)).toEqual(["0.00", "0.05", "-0.05", "1234.50", "-1.00"]);
    const row = formatRow(["2025-01-01", "e", "1", 'say "hi", twice', "1.00", ""]);
    expect(parseLedger(`${LEDGER}${row}\n`)).toMatchObject([{ text: 'say "hi", twice', debit: 100 }]);
  });
});
