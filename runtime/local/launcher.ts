/** Where `start.mjs` is, which runs a program of the project by name, and where the data of a local system is by default. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const FILE = "start.mjs";
/** Beside this file's code in the built package. */
const SHIPPED = join(import.meta.dirname, FILE);
const isShipped = existsSync(SHIPPED);

export const LAUNCHER = isShipped ? SHIPPED : join(import.meta.dirname, "../main", FILE);

/** A clone has one; without a clone it is that of the working folder. */
export const DEFAULT_HOME = isShipped ? resolve(".jobyard") : join(import.meta.dirname, "../../.jobyard");
