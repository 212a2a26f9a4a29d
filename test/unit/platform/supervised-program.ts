/** A program that prints the list of all programs at each change. Arguments: the programs whose restart it asks for. */
import { hearOfPrograms } from "../../../runtime/platform/supervised-programs.ts";
import { runService } from "../../../runtime/main/service-process.ts";

const programs = hearOfPrograms(process);
process.on("message", () => console.log(JSON.stringify(programs.list())));
await runService(() =>
  Promise.resolve({
    ready: {},
    stop() {
      console.log("stopped");
      return Promise.resolve();
    },
  }),
);
const wanted = process.argv.slice(2);
while (programs.list().length < wanted.length) await new Promise((resolve) => process.once("message", resolve));
for (const name of wanted) programs.restart(name);
