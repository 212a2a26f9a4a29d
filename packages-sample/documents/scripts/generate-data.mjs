/**
 * Writes the sample customers and their orders to `data`. The result is always the same. Run it after a change:
 * npm run generate-data -w documents
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

const CUSTOMERS = 240;

/** A small random generator (mulberry32). Returns whole numbers from low to high. */
let state = 240;
function random(low, high) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return low + Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * (high - low + 1));
}

const pick = (list) => list[random(0, list.length - 1)];
const csv = (header, rows) =>
  [header, ...rows]
    .map((row) => row.map((field) => (/[",]/.test(field) ? `"${String(field).replaceAll('"', '""')}"` : field)))
    .map((row) => `${row.join(",")}\n`)
    .join("");

const places = [
  ["8005", "Zürich", "Switzerland", ["Hafenstrasse", "Lindenhof", "Mühleweg"]],
  ["10117", "Berlin", "Germany", ["Französische Straße", "Am Weidendamm"]],
  ["1050", "Wien", "Austria", ["Schönbrunner Straße", "Grüngasse"]],
  ["69002", "Lyon", "France", ["Rue de la Charité", "Place Ampère"]],
  ["28004", "Madrid", "Spain", ["Calle de Fuencarral", "Plaza de San Ildefonso"]],
  ["1200-109", "Lisboa", "Portugal", ["Rua da Conceição", "Praça do Comércio"]],
  ["90-001", "Łódź", "Poland", ["ulica Piotrkowska", "aleja Kościuszki"]],
  ["110 00", "Praha", "Czechia", ["Dlouhá třída", "Náměstí Míru"]],
  ["1052", "Budapest", "Hungary", ["Petőfi Sándor utca", "Szűcs utca"]],
  ["0150", "Oslo", "Norway", ["Rådhusgata", "Øvre Slottsgate"]],
  ["8000", "Aarhus", "Denmark", ["Åboulevarden", "Sønder Allé"]],
  ["34430", "İstanbul", "Türkiye", ["İstiklâl Caddesi", "Şişhane Sokağı"]],
  ["105 63", "Αθήνα", "Greece", ["Οδός Ερμού", "Πλατεία Συντάγματος"]],
  ["1000", "София", "Bulgaria", ["улица Граф Игнатиев", "булевард Витоша"]],
];
const houses = [
  "Alder",
  "Brook",
  "Café Élan",
  "Dvořák",
  "Elm",
  "Fjord",
  "García",
  "Hölzl",
  "Íris",
  "Jørgensen",
  "Kőrös",
];
const kinds = ["& Sons", "Hotel", "Studio", "School", "Architects", "Bakery", "Clinic", "Theatre", "GmbH", "S.A."];
const given = ["Anna", "Béla", "Chloé", "Dušan", "Élodie", "François", "Göran", "Håkan", "Inês", "Jiří", "Zoë"];
const family = ["Novák", "Müller", "Nuñez", "Østergaard", "Łukasik", "Weiß", "Ferreira", "O'Brien", "Szabó", "Yıldız"];
const goods = [
  ["Oak table, oiled", "pcs", 64_000, 240_000],
  ["Chair “Linden”, stackable", "pcs", 9_800, 18_900],
  ["Shelf, 3 boards, with fixings for brick and plaster", "pcs", 12_000, 42_000],
  ["Bench, made to measure from reclaimed beech; surface hard-waxed twice, edges rounded to 3 mm", "m", 21_000, 39_000],
  ["Delivery and assembly", "h", 7_800, 9_600],
  ["Repair: new joints, sanding, oil", "h", 8_200, 9_800],
  ["Sample boards (ash, beech, oak)", "sets", 2_400, 4_800],
  ["Door, solid core, 2.04 × 0.87 m", "pcs", 38_000, 91_000],
];

const customers = [];
const items = [];
for (let index = 1; index <= CUSTOMERS; index++) {
  const number = `C${1000 + index}`;
  const [postcode, city, country, streets] = pick(places);
  const name = `${pick(houses)} ${pick(kinds)}`;
  const contact = random(0, 4) === 0 ? "" : `${pick(given)} ${pick(family)}`;
  customers.push([number, name, contact, `${pick(streets)} ${random(1, 180)}`, postcode, city, country]);
  // Some customers order all year: their invoices have several pages.
  const count = index % 60 === 17 ? random(60, 110) : random(1, 8);
  for (let line = 0; line < count; line++) {
    const [description, unit, low, high] = pick(goods);
    const quantity = unit === "h" || unit === "m" ? random(2, 60) / 4 : random(1, 12);
    items.push([number, description, quantity, unit, (random(low / 50, high / 50) / 2).toFixed(2)]);
  }
}

const data = join(import.meta.dirname, "../data");
const customerColumns = ["number", "name", "contact", "street", "postcode", "city", "country"];
await writeFile(join(data, "customers.csv"), csv(customerColumns, customers));
await writeFile(join(data, "items.csv"), csv(["customer", "description", "quantity", "unit", "unitPrice"], items));
