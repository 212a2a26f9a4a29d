/** Starts three programs that need one another, and is killed. Arguments: folder for logs, file for the programs' last words. */
import { fileURLToPath } from "node:url";
import { createSupervisor } from "../../../runtime/local/supervisor.ts";

const [logDirectory = "", file = ""] = process.argv.slice(2);
const supervisor = createSupervisor({ logDirectory, onRestart: (name) => console.log(`again ${name}`) });
const modulePath = fileURLToPath(new URL("orphan-program.ts", import.meta.url));
const start = (name: string, takesMs: number, stopsAfter: readonly string[], stopGraceMs = 30_000) =>
  supervisor.start({ name, modulePath, args: [name, file, String(takesMs)], env: {}, stopGraceMs, stopsAfter });

await start("storage", 0, ["worker", "hanging", "api"]);
await start("api", 0, ["worker", "hanging"]);
await start("hanging", 2_000_000, [], 300);
await start("worker", 300, []);
console.log(`started ${["storage", "api", "hanging", "worker"].map((name) => supervisor.pidOf(name)).join(" ")}`);
