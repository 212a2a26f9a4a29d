/**
 * Writes the sample documents to `data`. The result is always the same. Run it after a change:
 * npm run generate-data -w metadata-export
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const DOCUMENTS = 48;

/** A small random generator (mulberry32). Returns whole numbers from low to high. */
let state = 48;
function random(low, high) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return low + Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * (high - low + 1));
}

const pick = (list) => list[random(0, list.length - 1)];
const day = (from, to) => new Date(Date.UTC(2025, 0, random(from, to), random(6, 19), random(0, 59))).toISOString();

const kinds = {
  contract: ["Lease of the Graz workshop", "Supply of oak boards", "Insurance of the fleet", "Maintenance of lifts"],
  invoice: ["Oak boards, spring", "Delivery vans", "Heating, fourth quarter", "Čistění oken"],
  minutes: ["Works council", "Board", "Safety committee", "Sjednání mezd"],
  drawing: ["Door, solid core", "Bench “Linden”", "Shelf, 3 boards", "Stiege, Haus Süd"],
};
const owners = ["Anna Novák", "Béla Szabó", "Chloé Müller", "İbrahim Yıldız", "Zoë O'Brien"];
const tags = ["archive", "finance", "legal", "production", "urgent", "weiterverrechnen"];

const data = join(import.meta.dirname, "../data");
await rm(data, { recursive: true, force: true });
for (let index = 1; index <= DOCUMENTS; index++) {
  const kind = pick(Object.keys(kinds));
  const document = {
    id: `D${1000 + index}`,
    title: pick(kinds[kind]),
    kind,
    // Some have no owner, so that metadata-check finds them.
    ...(index % 17 === 0 ? {} : { owner: pick(owners) }),
    tags: tags.filter(() => random(0, 3) === 0),
    // One number needs more than 32 bits.
    sizeBytes: index === 30 ? 6_442_450_944 : random(4_000, 9_000_000),
    createdAt: day(1, 200),
    modifiedAt: day(201, 400),
    ...(kind === "contract" || kind === "invoice" ? { retainUntil: day(370, 900) } : {}),
  };
  await mkdir(join(data, kind), { recursive: true });
  await writeFile(join(data, kind, `${document.id}.json`), `${JSON.stringify(document, null, 2)}\n`);
}
