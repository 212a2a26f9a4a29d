/** The files of a year-end: tables for programs, a report for people. */
import type { AccountBalance, ClosedYear } from "./close-year.ts";
import { type Account, type AccountKind, formatAmount, formatRow } from "./ledger.ts";

/** Files by name. */
export function reportsOf(closed: ClosedYear, accounts: ReadonlyMap<string, Account>): Map<string, string> {
  const { year, balances, closingEntries, nextOpening } = closed;
  return new Map([
    [`year-end-${year}.md`, markdown(closed)],
    [
      `trial-balance-${year}.csv`,
      table(
        ["account", "name", "kind", "opening", "debit", "credit", "closing"],
        balances.map(({ account, opening, debit, credit, closing }) => [
          account.number,
          account.name,
          account.kind,
          ...[opening, debit, credit, closing].map(formatAmount),
        ]),
      ),
    ],
    [
      `closing-entries-${year}.csv`,
      table(
        ["date", "entry", "account", "text", "debit", "credit"],
        closingEntries.map(({ date, entry, account, text, debit, credit }) => [
          date,
          entry,
          account,
          text,
          formatAmount(debit),
          formatAmount(credit),
        ]),
      ),
    ],
    [
      `opening-balances-${year + 1}.csv`,
      table(
        ["account", "name", "balance"],
        [...nextOpening].map(([number, amount]) => [number, accounts.get(number)?.name ?? "", formatAmount(amount)]),
      ),
    ],
  ]);
}

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [header, ...rows].map((row) => `${formatRow(row)}\n`).join("");

const SECTIONS: readonly [title: string, kind: AccountKind, sign: 1 | -1][] = [
  ["Assets", "asset", 1],
  ["Liabilities", "liability", -1],
  ["Equity before the result", "equity", -1],
  ["Revenue", "revenue", -1],
  ["Expense", "expense", 1],
];

function markdown(closed: ClosedYear): string {
  const { year, entryCount, postingCount, totalDebit, totalCredit, revenue, expense, result, balances } = closed;
  return [
    `# Year-end ${year}`,
    "",
    `${entryCount} entries with ${postingCount} lines. Debit ${formatAmount(totalDebit)}, credit ${formatAmount(totalCredit)}: in balance.`,
    "",
    "| | |",
    "|---|---:|",
    `| Revenue | ${formatAmount(revenue)} |`,
    `| Expense | ${formatAmount(expense)} |`,
    `| **${result >= 0 ? "Profit" : "Loss"}** | **${formatAmount(Math.abs(result))}** |`,
    "",
    ...SECTIONS.flatMap(([title, kind, sign]) =>
      section(
        title,
        balances.filter(({ account }) => account.kind === kind),
        sign,
      ),
    ),
    "## Carried forward",
    "",
    `The result goes to retained earnings; the balances that open ${year + 1} add up to zero.`,
    "",
  ].join("\n");
}

/** Amounts as people expect them: debts and revenue are positive too. */
function section(title: string, balances: readonly AccountBalance[], sign: 1 | -1): string[] {
  const rows = balances.map(
    ({ account, opening, closing }) =>
      `| ${account.number} | ${account.name} | ${formatAmount(sign * opening)} | ${formatAmount(sign * closing)} |`,
  );
  const sum = balances.reduce((total, { closing }) => total + closing, 0);
  return [
    `## ${title}`,
    "",
    "| Account | Name | Opening | Closing |",
    "|---|---|---:|---:|",
    ...rows,
    `| | **Sum** | | **${formatAmount(sign * sum)}** |`,
    "",
  ];
}
