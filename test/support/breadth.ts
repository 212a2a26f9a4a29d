/**
 * How much of a sweep runs. `npm test` runs a quick share of every family, so that a change is judged in minutes;
 * `npm run test:full` and CI run all of it.
 */
import process from "node:process";

const full = process.env["TEST_BREADTH"] === "full";

/** The first value in `npm test`, the second in `npm run test:full`. */
export const breadth = <Value>(quick: Value, whole: Value): Value => (full ? whole : quick);
