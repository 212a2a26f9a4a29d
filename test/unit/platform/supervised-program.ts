/**
 * A program that prints the list of all programs at each change. Arguments: milliseconds until it is ready, milliseconds that it
 * takes to stop, the programs whose restart it asks for.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { programsOfSupervisor } from "../../../runtime/platform/supervised-programs.ts";
import { runService } from "../../../runtime/main/service-process.ts";

const [readyMs, stopMs, ...wanted] = process.argv.slice(2);
const programs = programsOfSupervisor(process);
process.on("message", () => console.log(JSON.stringify(programs.list())));
await runService(async () => {
  await sleep(Number(readyMs));
  return {
    ready: {},
    async stop() {
      console.log("stopping");
      await sleep(Number(stopMs));
      console.log("stopped");
    },
  };
});
const isKnown = (name: string): boolean => programs.list().some((program) => program.name === name);
for (const name of wanted) {
  while (!isKnown(name)) await new Promise((resolve) => process.once("message", resolve));
  programs.restart(name);
}
