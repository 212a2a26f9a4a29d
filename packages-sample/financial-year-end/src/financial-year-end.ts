/** Closes a year of a company's books and writes the report. */
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { defineJob } from "jobyard/job";
import * as z from "zod";
import { closeYear } from "./close-year.ts";
import { formatAmount, parseAccounts, parseLedger } from "./ledger.ts";
import { reportsOf } from "./report.ts";

const YearEndParameters = z.object({
  year: z.int().min(1900).max(2999),
  /** Files of this package's `data` folder, or absolute paths. */
  ledger: z.string().min(1).default("ledger.csv"),
  accounts: z.string().min(1).default("accounts.csv"),
  /** The equity account that receives the result. */
  retainedEarnings: z.string().min(1).default("2900"),
});

export default defineJob({
  jobType: "FinancialYearEnd",
  parameters: YearEndParameters,
  async run({ parameters }, { packagePath, outputPath, progress, log, signal }) {
    const { year, retainedEarnings } = parameters;
    const read = (file: string) => readFile(resolve(packagePath, "data", file), { encoding: "utf8", signal });

    progress(0, "Reading the books");
    const accounts = parseAccounts(await read(parameters.accounts));
    const postings = parseLedger(await read(parameters.ledger));
    log(`${accounts.size} accounts, ${postings.length} lines in the ledger`);

    progress(0.4, `Closing ${year}`);
    const closed = closeYear({ accounts, postings, retainedEarnings }, year);

    progress(0.8, "Writing the report");
    const reports = reportsOf(closed, accounts);
    for (const [file, text] of reports) {
      signal.throwIfAborted();
      await writeFile(join(outputPath, file), text);
    }
    progress(1, "Closed");
    return {
      output: {
        year,
        entries: closed.entryCount,
        debit: formatAmount(closed.totalDebit),
        credit: formatAmount(closed.totalCredit),
        revenue: formatAmount(closed.revenue),
        expense: formatAmount(closed.expense),
        result: formatAmount(closed.result),
        reports: [...reports.keys()],
      },
    };
  },
});
