/**
 * Becomes ready and then throws as its argument says. While it hands back its jobs, a second error follows. Its second
 * argument says what its last words are.
 */
import { setTimeout as delay } from "node:timers/promises";
import { runService } from "../../../runtime/main/service-process.ts";

const [how, words] = process.argv.slice(2);
setTimeout(() => {
  if (how === "signal") {
    // As servers do, it goes on until it is stopped.
    setInterval(() => undefined, 60_000);
    process.kill(process.pid, "SIGTERM");
    return;
  }
  if (how === "no-start") return;
  if (how === "rejection") void Promise.reject(new Error("first"));
  else if (how !== "given-up") throw new Error("first");
});
await runService((exits) => {
  if (words === "said") {
    exits.lastWords(async (error) => {
      await delay(20);
      console.log(`last words: ${String(error)}`);
    });
  }
  if (words === "never") exits.lastWords(() => new Promise(() => setInterval(() => undefined, 60_000)));
  if (how === "no-start") return Promise.reject(new Error("no start"));
  if (how === "given-up") setTimeout(() => exits.giveUp());
  return Promise.resolve({
    ready: {},
    stop: () => Promise.resolve(),
    ...(how !== "unprepared" && {
      async onFault(error: unknown) {
        console.log(`fault: ${String(error)}`);
        setImmediate(() => {
          throw new Error("second");
        });
        await delay(20);
        if (how === "hopeless") throw new Error("third");
        console.log("handed back");
      },
    }),
  });
});
