/** What a user of `jobyard dev` and `--inspect` should know at the start. Lines of at most 80 characters, but for names. */
import type { Running } from "../../local/running-file.ts";
import type { Published } from "./builder.ts";
import type { PackageFolder } from "./package-folders.ts";

/** Where debuggers look by themselves. */
export const INSPECT_PORT = 9229;

export const inspectHints = (port: number): readonly string[] => [
  `Each job waits for a debugger on 127.0.0.1:${port}, one job at a time:`,
  `  Chrome, Edge   chrome://inspect${port === INSPECT_PORT ? "" : `, with Configure … 127.0.0.1:${port}`}`,
  `  VS Code        launch.json: { "type": "node", "request": "attach",`,
  `                 "name": "Jobyard", "port": ${port}, "restart": true }`,
];

export interface DevFacts {
  readonly folders: readonly PackageFolder[];
  /** Those of the folders that could be published. */
  readonly published: readonly Published[];
  readonly running: Running;
}

/** Default address of `jobyard login --local`. */
const DEFAULT_URL = "http://127.0.0.1:7070";

export function devHints({ folders, published, running }: DevFacts): readonly string[] {
  const names = folders.map(({ name }) => name).join(", ");
  const [first] = published;
  const jobType = first?.jobTypes.find((type) => !first.timers.includes(type));
  const { apiUrl, issuer } = running;
  return [
    `Watching ${names}. Keys: r runs the last job again, q quits.`,
    ...(first === undefined || jobType === undefined
      ? []
      : [
          "Submit a job from another terminal:",
          `  npx --no jobyard login --local${apiUrl === DEFAULT_URL ? "" : ` ${apiUrl}`} \\`,
          `    --ca-file ${quoted(issuer.caFile)}`,
          `  npx --no jobyard submit --type ${quoted(jobType)} --package ${first.packageName} \\`,
          "    --parameters '{}'",
        ]),
  ];
}

/** For a shell, where that is necessary. */
const quoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
