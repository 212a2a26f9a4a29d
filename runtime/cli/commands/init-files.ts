/** The files of a new package: a job or timer with its test, and what editor, npm and people need beside them. */

export interface NewPackage {
  readonly name: string;
  /** `@acme` */
  readonly scope: string;
  readonly jobType: string;
  readonly isTimer: boolean;
  /** Where npm gets `jobyard` from. */
  readonly jobyard: string;
  /** The clone has the tools of its packages. */
  readonly isInClone: boolean;
  readonly versionOf: (module: string) => string;
}

/** Texts by path. */
export function filesOf(created: NewPackage): Readonly<Record<string, string>> {
  const { name, isTimer } = created;
  return {
    "package.json": `${JSON.stringify(packageJsonOf(created), null, 2)}\n`,
    "tsconfig.json": TSCONFIG,
    ".gitignore": "node_modules/\ndist/\n",
    [`src/${name}.ts`]: isTimer ? TIMER : jobSource(created),
    [`test/${name}.test.ts`]: isTimer ? timerTest(created) : jobTest(created),
    "README.md": readme(created),
    "AGENTS.md": agents(created),
  };
}

function packageJsonOf({ name, scope, isTimer, jobyard, isInClone, versionOf }: NewPackage): object {
  const versions = (...modules: string[]) => Object.fromEntries(modules.map((module) => [module, versionOf(module)]));
  return {
    // Without a scope, a registry may have another package with the same name.
    name: `${scope}/${name}`,
    version: "1.0.0",
    private: true,
    type: "module",
    scripts: { test: "vitest run", types: "tsc" },
    ...(isTimer ? {} : { dependencies: versions("zod") }),
    devDependencies: isInClone
      ? { jobyard }
      : { ...versions("@types/node"), jobyard, ...versions("typescript", "vitest") },
  };
}

const TSCONFIG = `{
  "compilerOptions": {
    "target": "es2024",
    "lib": ["es2024", "esnext.disposable"],
    "module": "nodenext",
    "types": ["node"],
    "noEmit": true,
    "strict": true,
    "noUncheckedIndexedAccess": true,
    "exactOptionalPropertyTypes": true,
    "verbatimModuleSyntax": true,
    "erasableSyntaxOnly": true,
    "allowImportingTsExtensions": true,
    "skipLibCheck": true
  },
  "include": ["src", "test"]
}
`;

const jobSource = ({ jobType }: NewPackage): string => `/** Greets, step by step. Change it to do your work. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { defineJob } from "jobyard/job";
import * as z from "zod";

const STEPS = 5;

export default defineJob({
  jobType: "${jobType}",
  // Submitters send the parameters. A job with others fails at once.
  parameters: z.object({ name: z.string().min(1) }),
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

const TIMER = `/** Writes down when it ran. Change it to do your work. */
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

const jobTest = ({ name, jobType }: NewPackage): string => `import { runJob } from "jobyard/testing";
import { describe, expect, it } from "vitest";
import job from "../src/${name}.ts";

describe("${jobType}", () => {
  it("greets, and leaves a greeting", async () => {
    const { outcome, output, progress, artifacts } = await runJob(job, { parameters: { name: "Ada" } });
    expect({ outcome, output }).toEqual({ outcome: "succeeded", output: { greeted: "Ada" } });
    expect(progress.at(-1)).toEqual({ fraction: 1, text: "step 5 of 5" });
    expect(String(artifacts.get("greeting.txt"))).toBe("Hello, Ada!\\n");
  });

  it("fails for good without a name", async () => {
    const { failure } = await runJob(job, { parameters: {} });
    expect(failure?.retryable).toBe(false);
  });

  it("stops when it is canceled", async () => {
    const stop = new AbortController();
    const run = await runJob(job, {
      parameters: { name: "Ada" },
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    expect(run.outcome).toBe("canceled");
  });
});
`;

const timerTest = ({ name }: NewPackage): string => `import { runJob } from "jobyard/testing";
import { describe, expect, it } from "vitest";
import timer from "../src/${name}.ts";

describe("${name}", () => {
  it("writes down the day for which it ran", async () => {
    const scheduledAt = new Date("2030-01-31T08:00:00Z");
    const { output, artifacts } = await runJob(timer, { timer: { scheduledAt, missedCount: 2 } });
    expect(output).toEqual({ day: "2030-01-31", missedCount: 2 });
    expect([...artifacts.keys()]).toEqual(["2030-01-31.txt"]);
  });
});
`;

const runLine = ({ isTimer }: NewPackage): string =>
  `npx --no jobyard run .${isTimer ? "" : ` --parameters '{"name":"world"}'`}`;

const readme = (created: NewPackage): string => `# ${created.name}

A package of jobs for Jobyard. \`src/${created.name}.ts\` has the ${created.isTimer ? "timer" : "job"} \`${created.jobType}\`.

\`\`\`sh
npm install
npm test
${runLine(created)}
npx --no jobyard pack .
npx --no jobyard publish dist/${created.name}.zip
\`\`\`

Publishing is the whole deployment: the next job runs the new version.
`;

const agents = (created: NewPackage): string => `# Notes for coding assistants

This folder is a package of background jobs. Each file in \`src/\` that exports \`defineJob(…)\` or \`scalableTimerJob(…)\` from
\`jobyard/job\` declares one. A worker runs each job in a process of its own, from a bundle of this folder.

Check every change with \`npx tsc\`, \`npm test\` and \`${runLine(created)}\`.

- Jobs run at least once. Make effects repeatable, or key them by \`job.jobId\`.
- \`parameters\` is a zod schema. Do not read what is not in it.
- Pass \`signal\` on to \`fetch\`, timers and loops: the job is killed ten seconds after it was asked to stop.
- Files below \`outputPath\` are kept as artifacts. Temporary files belong below \`workingPath\`.
- Return \`{ output }\` with small JSON (30 KiB). Throw to fail. Throw \`NonRetryableError\` if a retry cannot help.
- \`jobType\`, \`retry\`, \`timeoutMs\`, \`cron\` and other options must be literals or constants: packing reads them without running
  the code.
- Files that a job reads must be listed in package.json under \`"jobyard": { "files": ["data"] }\`. Find them with \`packagePath\`.
- Declare settings and secrets with \`defineSettings\`, and read them with \`settings.of(context)\`. The environment of a job has
  none.
- Test with \`runJob\` of \`jobyard/testing\`. It takes \`parameters\`, \`files\`, \`services\`, \`signal\` and gives \`outcome\`, \`output\`,
  \`failure\`, \`progress\`, \`log\` and \`artifacts\`. Do not write a context by hand.
`;
