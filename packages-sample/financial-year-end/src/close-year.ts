/**
 * Closes a year: computes the closing balance of every account, the result, and the entries that carry both into the next
 * year. Pure. A balance is debit minus credit, in cents: positive for assets and expenses, negative for debts and revenue.
 */
import { NonRetryableError } from "jobyard/job";
import { type Account, type Posting, formatAmount } from "./ledger.ts";

export interface AccountBalance {
  readonly account: Account;
  /** Brought forward from earlier years; zero for revenue and expense accounts. */
  readonly opening: number;
  readonly debit: number;
  readonly credit: number;
  readonly closing: number;
}

export interface ClosedYear {
  readonly year: number;
  readonly entryCount: number;
  readonly postingCount: number;
  readonly totalDebit: number;
  readonly totalCredit: number;
  readonly balances: readonly AccountBalance[];
  readonly revenue: number;
  readonly expense: number;
  /** Revenue minus expense: the increase in equity. */
  readonly result: number;
  /** Set revenue and expense accounts to zero and move the result to equity. */
  readonly closingEntries: readonly Posting[];
  /** Opening balances of the next year. Their sum is zero. */
  readonly nextOpening: ReadonlyMap<string, number>;
}

export interface Books {
  readonly accounts: ReadonlyMap<string, Account>;
  readonly postings: readonly Posting[];
  /** The equity account that receives the result. */
  readonly retainedEarnings: string;
}

/** Throws NonRetryableError for invalid books. */
export function closeYear({ accounts, postings, retainedEarnings }: Books, year: number): ClosedYear {
  checkAccounts(accounts, postings, retainedEarnings);
  checkEntries(postings);
  const [first, last] = [`${year}-01-01`, `${year}-12-31`];
  const current = postings.filter(({ date }) => date >= first && date <= last);
  if (current.length === 0) throw new NonRetryableError(`The ledger has no entries in ${year}.`);

  const opening = openingBalances(accounts, postings, first, retainedEarnings);
  const balances = [...accounts.values()]
    .toSorted((a, b) => (a.number < b.number ? -1 : 1))
    .map((account) => balanceOf(account, opening.get(account.number) ?? 0, current));
  const revenue = -sumOf(balances, "revenue");
  const expense = sumOf(balances, "expense");
  const result = revenue - expense;
  return {
    year,
    entryCount: new Set(current.map(({ entry }) => entry)).size,
    postingCount: current.length,
    totalDebit: total(current.map(({ debit }) => debit)),
    totalCredit: total(current.map(({ credit }) => credit)),
    balances,
    revenue,
    expense,
    result,
    closingEntries: closingEntries(balances, year, retainedEarnings, result),
    nextOpening: nextOpening(balances, retainedEarnings, result),
  };
}

const isTemporary = ({ kind }: Account): boolean => kind === "revenue" || kind === "expense";

const total = (amounts: readonly number[]): number => amounts.reduce((sum, amount) => sum + amount, 0);

const sumOf = (balances: readonly AccountBalance[], kind: Account["kind"]): number =>
  total(balances.filter(({ account }) => account.kind === kind).map(({ closing }) => closing));

function checkAccounts(accounts: Books["accounts"], postings: readonly Posting[], retainedEarnings: string): void {
  if (accounts.get(retainedEarnings)?.kind !== "equity") {
    throw new NonRetryableError(`Account ${retainedEarnings} must be an equity account to receive the result.`);
  }
  const unknown = postings.find(({ account }) => !accounts.has(account));
  if (unknown !== undefined) {
    throw new NonRetryableError(`Entry ${unknown.entry} uses account ${unknown.account}, which does not exist.`);
  }
}

/** Checks every entry separately, because two wrong entries can cancel each other out. */
function checkEntries(postings: readonly Posting[]): void {
  const balances = new Map<string, number>();
  for (const { entry, debit, credit } of postings) balances.set(entry, (balances.get(entry) ?? 0) + debit - credit);
  for (const [entry, balance] of balances) {
    if (balance === 0) continue;
    const side = balance > 0 ? "debit" : "credit";
    throw new NonRetryableError(
      `Entry ${entry} does not balance: ${formatAmount(Math.abs(balance))} too much in ${side}.`,
    );
  }
}

/** Includes all earlier years: their results are part of retained earnings, even if they were not booked. */
function openingBalances(
  accounts: Books["accounts"],
  postings: readonly Posting[],
  first: string,
  retainedEarnings: string,
) {
  const opening = new Map<string, number>();
  for (const { date, account, debit, credit } of postings) {
    if (date >= first) continue;
    const known = accounts.get(account);
    const target = known !== undefined && isTemporary(known) ? retainedEarnings : account;
    opening.set(target, (opening.get(target) ?? 0) + debit - credit);
  }
  return opening;
}

function balanceOf(account: Account, opening: number, current: readonly Posting[]): AccountBalance {
  const own = current.filter((posting) => posting.account === account.number);
  const debit = total(own.map((posting) => posting.debit));
  const credit = total(own.map((posting) => posting.credit));
  return { account, opening, debit, credit, closing: opening + debit - credit };
}

function closingEntries(
  balances: readonly AccountBalance[],
  year: number,
  retainedEarnings: string,
  result: number,
): Posting[] {
  const posting = (account: string, amount: number, text: string): Posting => ({
    date: `${year}-12-31`,
    entry: `${year}-CLOSE`,
    account,
    text,
    debit: Math.max(amount, 0),
    credit: Math.max(-amount, 0),
  });
  const closed = balances.filter(({ account, closing }) => isTemporary(account) && closing !== 0);
  return [
    ...closed.map(({ account, closing }) => posting(account.number, -closing, `Close ${account.name}`)),
    posting(retainedEarnings, -result, `Result of ${year}`),
  ];
}

function nextOpening(
  balances: readonly AccountBalance[],
  retainedEarnings: string,
  result: number,
): Map<string, number> {
  const next = new Map<string, number>();
  for (const { account, closing } of balances) {
    const amount = account.number === retainedEarnings ? closing - result : closing;
    if (!isTemporary(account) && amount !== 0) next.set(account.number, amount);
  }
  return next;
}
