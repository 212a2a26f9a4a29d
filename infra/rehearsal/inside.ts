/**
 * The rehearsal itself, inside separate namespaces that `main.ts` creates. Its only argument is the request, as JSON.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { packPackage } from "../../runtime/package/build/pack.ts";
import { PUBLIC_ADDRESS } from "./cloud/addresses.ts";
import { NODE_PORT, startCloud } from "./cloud/cloud.ts";
import { readEstate } from "./cloud/estate.ts";
import { prepareLayer } from "./cloud/machine.ts";
import { preparePlace } from "./cloud/network.ts";
import { createPool } from "./cloud/pool.ts";
import { createClients, type Rehearsal } from "./steps/rehearsal.ts";
import { createRehearsedProject, type RehearsedProject, type RehearsedStack } from "./pulumi/rehearsed-stack.ts";
import { readStackFile } from "../tools/stack-graph.ts";
import { isGood, reportLines, unusedGrants, verdictLines, type Report } from "./report.ts";
import type { RehearsalRequest } from "./request.ts";
import { runSteps, selectSteps, type Step, type Verdict } from "./steps/step.ts";
import { STEPS } from "./steps/steps.ts";

const request = JSON.parse(process.argv[2] ?? "") as RehearsalRequest;
const { folder, json } = request;
/** Standard output is for people, or for programs with `--json`. */
const say = (line: string): void => void (json ? process.stderr : process.stdout).write(`${line}\n`);

/** Settings that make a day of Azure fit into minutes, by key. */
const OVERRIDES: Readonly<Record<string, string>> = {
  // The default protects an idle machine from scale-in for five minutes.
  "jobyard:workerIdleGraceSeconds": "5",
  // Protected data could not be destroyed.
  "jobyard:protectData": "false",
  // A few requests would often leave no trace.
  "jobyard:traceRatio": "1",
};
const TOKEN_SECONDS = 150;

const DIFFERENCES: readonly string[] = [
  "The machines' cloud-init document is changed: Node comes from this machine, and they trust this run's certificates.",
  "Machines run Debian in containers, not Ubuntu in virtual machines.",
  "Storage is Azurite; Service Bus and Entra ID are this project's stand-ins.",
  "Application Insights only counts what it is sent. Key Vault is recorded, and no service answers for it.",
  `Tokens of managed identities live for ${TOKEN_SECONDS} s.`,
  "App Service's image and its download of the package are imitated.",
  `A minute of Azure Monitor takes less than a second, and at most ${request.maxMachines} machines run.`,
  ...Object.entries(OVERRIDES).map(([key, value]) => `The setting ${key} is ${value}.`),
];

/** The results of the first two steps for the others. */
interface Beginning {
  readonly project: RehearsedProject;
  readonly stack: RehearsedStack;
  readonly up: () => Promise<void>;
  rehearsal?: Rehearsal;
}

const BEGINNING: readonly Step<Beginning>[] = [
  {
    name: "up",
    title: "The program deploys everything.",
    needs: [],
    run: ({ up }) => up(),
  },
  {
    name: "cloud",
    title: "The recorded services answer under Azure's names.",
    needs: ["up"],
    async run(beginning) {
      beginning.rehearsal = await prepareRehearsal(beginning);
    },
  },
];

const endStep = (verdict: Verdict, step: Pick<Step<unknown>, "title">): void =>
  verdictLines(verdict, step).forEach(say);

async function prepareRehearsal({ project, stack, up }: Beginning): Promise<Rehearsal> {
  let estate = readEstate(stack.cloud);
  const [cert, key, ca] = await Promise.all(
    ["server.pem", "server-key.pem", "ca.pem"].map((name) => readFile(join(folder, name), "utf8")),
  );
  const cloud = await startCloud({
    estate,
    folder: join(folder, "cloud"),
    certificate: { cert: cert ?? "", key: key ?? "" },
    caFile: join(folder, "ca.pem"),
    tokenSeconds: TOKEN_SECONDS,
    nodeArchive: request.nodeArchive,
  });
  const { tree } = request;
  const layers =
    tree === undefined ? [] : [await prepareLayer(tree, folder, { ca: ca ?? "", hosts: cloud.hosts }), tree];
  const nodeArchive = await readFile(request.nodeArchive);
  const pool = createPool({
    ...{ cloud, layers, estate: () => estate },
    folder: join(folder, "machines"),
    node: {
      url: `http://${PUBLIC_ADDRESS}:${NODE_PORT}/node.tar`,
      sha256: createHash("sha256").update(nodeArchive).digest("hex"),
    },
  });
  const { zip } = await packPackage({
    directory: join(import.meta.dirname, "work-package"),
    target: { os: "linux", arch: "x64", libc: "glibc" },
  });
  return {
    ...{ project, stack, cloud, pool, estate: () => estate, workPackage: new Uint8Array(zip) },
    ...createClients(cloud, estate.site.host),
    tenantName: estate.site.settings["JOBYARD_PACKAGES_TENANT"] ?? "rehearsal",
    bereft: { jobIds: [], since: 0 },
    maxMachines: request.maxMachines,
    async deploy() {
      await up();
      estate = readEstate(stack.cloud);
      await cloud.deploy(estate);
    },
  };
}

/** Prints how to reach everything while it runs. */
function sayHowToReach({ estate, pool }: Rehearsal): void {
  const enter = `nsenter --target ${process.ppid} --net --mount --pid --`;
  say(`The API: ${enter} curl --cacert ${join(folder, "ca.pem")} https://${estate().site.host}/healthz`);
  for (const { machine } of pool.machines) say(`${machine.name}: its console is ${machine.consoleFile}`);
  say("Ctrl-C ends everything.");
}

/** The last log lines of the API and the workers, to find out why a step failed. */
async function sayLastWords({ pool }: Rehearsal): Promise<void> {
  const log = await readFile(join(folder, "cloud", "site", "api-0.log"), "utf8").catch(() => "");
  // Without the request lines, because steps repeat requests often.
  const lines = log
    .trimEnd()
    .split("\n")
    .filter((line) => !line.includes('"msg":"request"'));
  say(`The API:\n${lines.slice(-LAST_LINES).join("\n")}`);
  for (const { machine } of pool.machines) {
    const journal = machine.exec("journalctl", "--unit=jobyard-worker", `--lines=${LAST_LINES}`, "--no-pager");
    say(`${machine.name}:\n${await journal.catch((error: unknown) => String(error))}`);
  }
}

const LAST_LINES = 40;

async function runStepsOn(rehearsal: Rehearsal, steps: readonly Step<Rehearsal>[]): Promise<readonly Verdict[]> {
  let lastWords: Promise<void> | undefined;
  const verdicts = await runSteps(steps, rehearsal, (verdict, step) => {
    endStep(verdict, step);
    // At once, because later steps remove the machine.
    if (!verdict.ok) lastWords ??= sayLastWords(rehearsal);
  });
  await lastWords;
  return verdicts;
}

async function rehearse(): Promise<Report> {
  const steps = selectSteps(STEPS, request.only).filter((step) => request.machines || step.machines !== true);
  const project = await createRehearsedProject({ folder: join(folder, "project"), resident: false });
  const stack = await project.createStack(request.stack);
  const config = { ...(await readStackFile(request.stack)), ...OVERRIDES };
  const beginning: Beginning = {
    project,
    stack,
    up: async () => {
      await stack.up({ config });
    },
  };
  const begun = await runSteps(BEGINNING, beginning, endStep);
  const { rehearsal } = beginning;
  const verdicts = rehearsal === undefined ? [] : await runStepsOn(rehearsal, steps);
  await rehearsal?.cloud.readBusAudit();
  if (request.keep && rehearsal !== undefined) sayHowToReach(rehearsal);
  const all = [...begun, ...verdicts];
  return {
    steps: all,
    failed: all.filter(({ ok }) => !ok).length,
    denied: rehearsal?.cloud.access.denials ?? [],
    unusedGrants: unusedGrants(rehearsal?.cloud.access.unused() ?? [], steps.length < STEPS.length),
    differences: DIFFERENCES,
    engine: project.engine,
  };
}

await preparePlace();
const result = await rehearse();
for (const line of reportLines(result)) say(line);
if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
// All remaining processes end with these namespaces, and these end with this process.
if (!request.keep) process.exit(isGood(result) ? 0 : 1);
