/**
 * `npm run model`: explores every interleaving of the protocol's steps with faults, within bounds, and reports whether
 * the invariants hold. With a rule switched off they must not.
 */
import { Command, Option } from "commander";
import type { Configuration, RuleOff } from "./configuration.ts";
import { CONFIGURATIONS, RULES_OFF } from "./configurations.ts";
import type { SearchResult } from "./search.ts";

interface ModelOptions {
  readonly full: boolean;
  readonly without?: string;
  readonly trace: boolean;
}

const MODELS = [...new Set(CONFIGURATIONS.map(({ model }) => model))];

const command = new Command("npm run model --")
  .description("Searches all states that the job protocol can reach for a violation.")
  .argument("[models...]", `only these: ${MODELS.join(", ")}`)
  .addOption(
    new Option("--full", "run the large searches too; they take minutes and a gigabyte of memory").default(false),
  )
  .addOption(new Option("--without <rule>", "switch off a rule, such as R8, and show the violation"))
  .addOption(new Option("--trace", "show the counterexample of every rule").default(false));
command.parse();

function main(models: readonly string[], options: ModelOptions): boolean {
  if (options.without !== undefined) return showWithout(options.without);
  const chosen = (model: string): boolean => models.length === 0 || models.includes(model);
  const configurations = CONFIGURATIONS.filter(
    ({ model, share }) => chosen(model) && (options.full || share !== "full"),
  );
  const rules = RULES_OFF.filter(({ model }) => chosen(model));

  console.log("The protocol");
  const kept = configurations.map((configuration) => check(configuration));
  console.log("\nWithout one rule at a time");
  const broken = rules.map((rule) => checkBroken(rule, options.trace));

  const states = [...kept, ...broken].reduce((sum, result) => sum + result.states, 0);
  const unexpected = [...kept, ...broken].filter(({ asExpected }) => !asExpected).length;
  const verdict = unexpected === 0 ? "no violation" : `${unexpected} unexpected results`;
  console.log(`\n${states.toLocaleString("en")} states explored, ${verdict}; ${broken.length} rules switched off.`);
  return unexpected === 0;
}

interface Checked {
  readonly states: number;
  readonly asExpected: boolean;
}

function check({ model, name, run }: Configuration): Checked {
  const result = timed(`${model}: ${name}`, run, () => "holds");
  if (result.violation !== undefined) showTrace(result);
  return { states: result.states, asExpected: result.violation === undefined && !result.cut };
}

function checkBroken({ name, run }: RuleOff, trace: boolean): Checked {
  const result = timed(name, run, () => "NO COUNTEREXAMPLE");
  if (trace) showTrace(result);
  return { states: result.states, asExpected: result.violation !== undefined };
}

/** Runs one search and prints its line. */
function timed(name: string, run: () => SearchResult, otherwise: () => string): SearchResult {
  const startedAt = performance.now();
  const result = run();
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  const verdict = result.cut ? "GIVEN UP: too many states" : (result.violation?.text ?? otherwise());
  console.log(
    `  ${name.padEnd(62)} ${result.states.toLocaleString("en").padStart(11)} states ${seconds.padStart(6)} s  ${verdict}`,
  );
  return result;
}

function showTrace({ violation }: SearchResult): void {
  violation?.trace.forEach(({ step, after }, index) => {
    console.log(`      ${String(index + 1).padStart(2)}. ${step}`);
    if (after !== undefined) console.log(`          ${after}`);
  });
}

function showWithout(rule: string): boolean {
  const wanted = rule.toLowerCase();
  const found = RULES_OFF.filter(({ name }) => name.toLowerCase().startsWith(`${wanted}:`));
  if (found.length === 0) {
    const known = [...new Set(RULES_OFF.map(({ name }) => name.split(":")[0]))];
    console.error(`The rule ${rule} does not exist. The rules are ${known.join(", ")}.`);
    return false;
  }
  return found.map((ruleOff) => checkBroken(ruleOff, true)).every(({ asExpected }) => asExpected);
}

if (!main(command.args, command.opts<ModelOptions>())) process.exitCode = 1;
