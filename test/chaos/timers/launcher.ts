/** Starts one program of a run of timers as runtime/main/start.mjs does, but recorded storage, and no API while all are away. */
import { outageOver } from "./outage.ts";

const program = process.argv[2];
if (program === "storage") await import("../engine/recorded-storage.ts");
else {
  if (program === "api") await outageOver(process.env["JOBYARD_HOME"] ?? "");
  await import(import.meta.resolve("../../../runtime/main/start.mjs"));
}
