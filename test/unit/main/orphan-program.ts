/** A program that stops some time after the signal and then writes its name to a file. Arguments: name, file, milliseconds. */
import { appendFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { runService } from "../../../runtime/main/service-process.ts";

const [name = "", file = "", takesMs = ""] = process.argv.slice(2);
await runService(() =>
  Promise.resolve({
    ready: {},
    async stop() {
      await delay(Number(takesMs));
      await appendFile(file, `${name}\n`);
    },
  }),
);
