/** `jobyard init <directory>`: creates a package that packs and runs, as a start for your own. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { TIMER_NAME_MAX_LENGTH } from "../../core/limits.ts";
import { show } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import type { Surroundings } from "../terminal.ts";

const ROOT = join(import.meta.dirname, "../../..");
const NAME = /^[a-z][a-z0-9-]*$/;

export async function init(options: InitOptions, { terminal }: Surroundings, given: string): Promise<void> {
  const directory = resolve(given);
  const name = basename(directory);
  if (!NAME.test(name))
    throw new UsageError(`${name}: a package name can contain only lower-case letters, digits and hyphens.`);
  await mkdir(directory, { recursive: true });
  if ((await readdir(directory)).length > 0) throw new UsageError(`${given} is not empty.`);
  const isTimer = options.timer === true;
  if (isTimer && name.length > TIMER_NAME_MAX_LENGTH)
    throw new UsageError(`${name}: a timer name can have at most ${TIMER_NAME_MAX_LENGTH} characters.`);
  // A timer takes the name of its file.
  const jobType = isTimer ? name : typeOf(name);
  const source = isTimer ? timerSource : jobSource(jobType);
  const files = filesOf(name, source, relative(directory, ROOT));
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, file)), { recursive: true });
    await writeFile(join(directory, file), text);
  }
  const zip = `${given}/dist/${name}.zip`;
  const parameters = isTimer ? "" : ` --parameters '{"name":"world"}'`;
  show(terminal, options, { directory, name, jobType, files: Object.keys(files) }, () =>
    [
      `Made ${given} with the ${isTimer ? "timer" : "job"} ${jobType}. Next:`,
      `  jobyard run ${given} --type ${jobType}${parameters}`,
      `  jobyard pack ${given}`,
      `  jobyard publish ${zip}`,
      ...(isTimer ? [] : [`  jobyard submit --type ${jobType} --package ${name}.zip${parameters} --wait`]),
    ].join("\n"),
  );
}

interface InitOptions {
  readonly timer?: true;
  readonly json?: true;
}

/** year-end → YearEnd */
const typeOf = (name: string): string =>
  name.replace(/(^|-)(\w?)/g, (_all, _dash, letter: string) => letter.toUpperCase());

const filesOf = (name: string, source: string, toRoot: string): Readonly<Record<string, string>> => ({
  "package.json": `${JSON.stringify(
    {
      // A placeholder for your own scope. Without a scope, a registry may have another package with the same name.
      name: `@your-scope/${name}`,
      version: "1.0.0",
      private: true,
      type: "module",
      devDependencies: { jobyard: `file:${toRoot}` },
    },
    null,
    2,
  )}\n`,
  ".gitignore": "node_modules/\ndist/\n",
  [`src/${name}.ts`]: source,
});

const jobSource = (jobType: string): string => `/** Greets, step by step. Change it to do your work. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { defineJob } from "jobyard/job";

const STEPS = 5;

export default defineJob({
  jobType: "${jobType}",
  // Submitters send the parameters, so check them. A schema of any validation library works too.
  parameters(value): { name: string } {
    if (typeof value === "object" && value !== null && "name" in value && typeof value.name === "string")
      return { name: value.name };
    throw new Error("name is missing");
  },
  async run(job, { outputPath, progress, signal, log }) {
    const { name } = job.parameters;
    for (let step = 1; step <= STEPS; step++) {
      // Ends the job at once when it is canceled.
      await wait(200, undefined, { signal });
      progress(step / STEPS, \`step \${step} of \${STEPS}\`);
      log("greeting", name, "for the", step, "time");
    }
    // Files below outputPath are kept as artifacts.
    await writeFile(join(outputPath, "greeting.txt"), \`Hello, \${name}!\\n\`);
    return { output: { greeted: name } };
  },
});
`;

const timerSource = `/** Writes down when it ran. Change it to do your work. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { scalableTimerJob } from "jobyard/job";

// Every ten minutes from Monday to Friday: second, minute, hour, day of month, month, day of week.
export default scalableTimerJob({ cron: "0 */10 * * * MON-FRI", timeZone: "UTC" }, async (ctx) => {
  const { trigger, scheduledAt, isPastDue, missedCount } = ctx.timer;
  ctx.log(\`Started by \${trigger}, due at \${scheduledAt.toISOString()}\`, isPastDue ? "and late" : "and in time");
  // The due time is the same whenever this tick runs again. The clock is not.
  const day = scheduledAt.toISOString().slice(0, 10);
  // Files below outputPath are kept as artifacts.
  await writeFile(join(ctx.outputPath, \`\${day}.txt\`), \`missed before: \${missedCount}\\n\`);
  return { output: { day, missedCount } };
});
`;
