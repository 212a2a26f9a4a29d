/**
 * Writes the sample log to `data`: two days of a web shop with one bad hour. The result is always the same. Run it after
 * a change: npm run generate-log -w shell-tool
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A small random generator (mulberry32). Returns whole numbers from low to high. */
let state = 2026;
function random(low, high) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return low + Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * (high - low + 1));
}

const pick = (list) => list[random(0, list.length - 1)];
const customers = ["Müller", "Dvořák", "O'Neill", "García", "Sørensen"];

const usual = [
  ["DEBUG", () => `cart: Cart ${random(1000, 9999)} saved in ${random(2, 40)} ms`],
  ["INFO", () => `checkout: Order ${random(70_000, 79_999)} of ${pick(customers)} placed`],
  ["INFO", () => `search: "${pick(["desk lamp", "büro stuhl", 'monitor 27"'])}" found ${random(0, 80)} articles`],
  ["INFO", () => `mail: Confirmation of order ${random(70_000, 79_999)} sent`],
];
const troubles = [
  ["WARN", () => `stock: Only ${random(1, 4)} left of article ${random(100, 180)}`],
  ["WARN", () => `search: Slow query, ${random(900, 3_000)} ms`],
  ["ERROR", () => `mail: Address of customer ${random(1, 900)} was rejected`],
];
const outage = [
  ["WARN", () => `checkout: Payment provider answered after ${random(2_000, 9_999)} ms`],
  [
    "ERROR",
    () =>
      `checkout: Payment of order ${random(70_000, 79_999)} failed: connection reset\n    at pay (checkout.js:${random(10, 400)}:5)\n    at async place (checkout.js:88:3)`,
  ],
];

const lines = [];
for (const day of ["2026-03-02", "2026-03-03"]) {
  for (let hour = 0; hour < 24; hour++) {
    const isBad = day === "2026-03-03" && hour === 14;
    // Few at night, most in the evening.
    const count = Math.round(8 + 34 * Math.max(0, Math.sin(((hour - 6) / 24) * 2 * Math.PI - 0.6))) + random(0, 9);
    const seconds = Array.from({ length: isBad ? 90 : count }, () => random(0, 3_599)).sort((a, b) => a - b);
    for (const second of seconds) {
      const [level, text] = pick(isBad && random(0, 2) > 0 ? outage : random(0, 11) === 0 ? troubles : usual);
      const time = [hour, Math.floor(second / 60), second % 60].map((part) => String(part).padStart(2, "0")).join(":");
      lines.push(`${day}T${time}Z ${level.padEnd(5)} ${text()}`);
    }
  }
}
await writeFile(join(import.meta.dirname, "../data/webshop-log.txt"), `${lines.join("\n")}\n`);
