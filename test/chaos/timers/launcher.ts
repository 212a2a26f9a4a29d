/**
 * Starts a program of a timer run like runtime/main/start.mjs, but with recorded storage, outages of all APIs, and APIs
 * whose clocks jump.
 */
import { outageOver } from "./outage.ts";
import { followClock } from "./wrong-clock.ts";

const program = process.argv[2];
if (program === "storage") await import("../engine/recorded-storage.ts");
else {
  if (program === "api") {
    const home = process.env["JOBYARD_HOME"] ?? "";
    await outageOver(home);
    followClock(home, process.env["JOBYARD_INSTANCE_ID"] ?? "");
  }
  await import(import.meta.resolve("../../../runtime/main/start.mjs"));
}
