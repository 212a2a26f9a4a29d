/** `npm run simulate [-- --json]`: runs the autoscale rules under every load and checks each outcome. */
import Table from "cli-table3";
import { Command } from "commander";
import { breaches, SCENARIOS } from "./scenarios.ts";
import { simulate } from "./world.ts";

const command = new Command("npm run simulate --")
  .description("Runs the autoscale rules against a model of Azure Monitor. Exits with 1 if a check fails.")
  .option("--json", "print one JSON object on standard output", false)
  .allowExcessArguments(false);
command.parse();

const results = SCENARIOS.map((judged) => {
  const outcome = simulate(judged.scenario);
  return { ...outcome, breaches: breaches(judged, outcome) };
});
const ok = results.every((result) => result.breaches.length === 0);

if (command.opts<{ readonly json: boolean }>().json) {
  console.log(JSON.stringify({ ok, scenarios: results }));
} else {
  const table = new Table({
    style: { head: [], border: [] },
    head: ["load", "jobs", "peak", "drained (min)", "turns", "busy removed", "idle h", "end"],
  });
  for (const { name, jobs, peakInstances, drainedMinute, turns, busyRemoved, idleHours, finalInstances } of results) {
    table.push([name, jobs, peakInstances, drainedMinute ?? "-", turns, busyRemoved, idleHours, finalInstances]);
  }
  console.log(table.toString());
  for (const result of results) for (const breach of result.breaches) console.log(`✗ ${result.name}: ${breach}`);
}
process.exitCode = ok ? 0 : 1;
