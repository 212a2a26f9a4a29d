/**
 * Writes the sample ledger to `data`: two years of a small workshop. The result is always the same. Run it after a
 * change: npm run generate-ledger -w financial-year-end
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A small random generator (mulberry32). Returns whole numbers from low to high. */
let state = 2025;
function random(low, high) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return low + Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * (high - low + 1));
}

const rows = [];
let entryCount = 0;
const money = (cents) => (cents === 0 ? "" : `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`);
const quote = (text) => (text.includes(",") ? `"${text}"` : text);

/** Lines of [account, cents]: positive is debit, negative credit. */
function book(date, text, ...lines) {
  entryCount++;
  const entry = `${date.slice(0, 4)}-${String(entryCount).padStart(4, "0")}`;
  for (const [account, cents] of lines) {
    rows.push([date, entry, account, quote(text), money(Math.max(cents, 0)), money(Math.max(-cents, 0))].join(","));
  }
}

const VAT = 0.081;
const customers = ["Alder & Sons", "Brook Hotel", "City of Linden", "Dahl, Berg and Partners", "Elm School"];
const suppliers = ["Timber Yard", "Northern Metals", "Paint Depot"];
const pick = (list) => list[random(0, list.length - 1)];
const day = (year, month, low = 1, high = 28) =>
  `${year}-${String(month).padStart(2, "0")}-${String(random(low, high)).padStart(2, "0")}`;

book("2024-01-01", "Paid-in capital", ["1020", 10_000_000], ["2800", -10_000_000]);
book("2024-01-02", "Loan for machines", ["1020", 6_000_000], ["2400", -6_000_000]);
book("2024-01-03", "Machines", ["1500", 8_400_000], ["1020", -8_400_000]);

for (const year of [2024, 2025]) {
  for (let month = 1; month <= 12; month++) {
    for (let i = 0; i < 14; i++) {
      const net = random(120_000, 690_000);
      const tax = Math.round(net * VAT);
      const account = random(0, 3) === 0 ? "3400" : "3000";
      const customer = pick(customers);
      book(day(year, month, 1, 20), `Invoice ${customer}`, ["1100", net + tax], [account, -net], ["2200", -tax]);
      if (random(0, 9) > 0)
        book(day(year, month, 21), `Payment ${customer}`, ["1020", net + tax], ["1100", -net - tax]);
    }
    for (let i = 0; i < 5; i++) {
      const net = random(90_000, 420_000);
      const tax = Math.round(net * VAT);
      const supplier = pick(suppliers);
      book(day(year, month, 1, 15), `Material ${supplier}`, ["1200", net], ["2200", tax], ["2000", -net - tax]);
      book(day(year, month, 16), `Paid ${supplier}`, ["2000", net + tax], ["1020", -net - tax]);
      const used = Math.round(net * (random(85, 100) / 100));
      book(day(year, month, 20), "Material used", ["4000", used], ["1200", -used]);
    }
    book(day(year, month, 1, 5), "Rent", ["6000", 240_000], ["1020", -240_000]);
    book(day(year, month, 25), "Wages", ["5000", 2_150_000], ["1020", -2_150_000]);
    const office = random(8_000, 60_000);
    book(day(year, month), "Stationery, postage, telephone", ["6500", office], ["1000", -office]);
    book(day(year, month), "Cash from the bank", ["1000", 40_000], ["1020", -40_000]);
    if (month % 3 === 0) {
      book(day(year, month, 28), "Interest on the loan", ["6900", 67_500], ["1020", -67_500]);
      book(day(year, month, 28), "Repayment of the loan", ["2400", 250_000], ["1020", -250_000]);
      const fair = random(50_000, 300_000);
      book(day(year, month), "Advertising, fairs", ["6600", fair], ["1020", -fair]);
    }
  }
  book(`${year}-06-15`, "Insurance", ["6300", 310_000], ["1020", -310_000]);
  book(`${year}-12-31`, "Depreciation of machines", ["6800", 840_000], ["1590", -840_000]);
}

// Sorted by date; entries of one day keep their order.
rows.sort((a, b) => (a.slice(0, 10) < b.slice(0, 10) ? -1 : a.slice(0, 10) > b.slice(0, 10) ? 1 : 0));
await writeFile(
  join(import.meta.dirname, "../data/ledger.csv"),
  `${["date,entry,account,text,debit,credit", ...rows].join("\n")}\n`,
);
