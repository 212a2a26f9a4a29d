/** Becomes ready and then throws as its argument says. While it hands back its jobs, a second error follows. */
import { setTimeout as delay } from "node:timers/promises";
import { runService } from "../../../runtime/main/service-process.ts";

const [how] = process.argv.slice(2);
setTimeout(() => {
  if (how === "rejection") void Promise.reject(new Error("first"));
  else throw new Error("first");
});
await runService(() =>
  Promise.resolve({
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
  }),
);
