/** Where `start.mjs` is, which runs a program of the project by name. */
import { existsSync } from "node:fs";
import { join } from "node:path";

const FILE = "start.mjs";
/** Beside this file's code in the built package. */
const SHIPPED = join(import.meta.dirname, FILE);

export const LAUNCHER = existsSync(SHIPPED) ? SHIPPED : join(import.meta.dirname, "../main", FILE);
