/** Commands about packages: creating and trying them locally, publishing and managing them on the service. */
import {
  JSON_OPTION,
  limit,
  LOCAL,
  REMOTE,
  TENANT,
  type ArgumentSpec,
  type CommandSpec,
  type OptionSpec,
} from "../command-spec.ts";

const PACKAGE: ArgumentSpec = { name: "<package>", text: "its name, with or without .zip" };

const INSPECT: OptionSpec = {
  flags: "--inspect [port]",
  text: "wait for a debugger at the first line of each job, without limits of time (default port: 9229)",
  number: [1, 65_535],
};

const PUBLISHED: CommandSpec = {
  name: "packages",
  summary: "List a tenant's packages; list, restore and delete versions.",
  defaultCommand: "list",
  commands: [
    {
      name: "list",
      summary: "List a tenant's packages.",
      examples: ["packages --tenant demo"],
      options: [...REMOTE, TENANT, limit(100_000, 200)],
      load: async () => (await import("../commands/packages.ts")).listPackages,
    },
    {
      name: "versions",
      summary: "List the kept versions of a package, newest first.",
      examples: ["packages versions greetings"],
      arguments: [PACKAGE],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/packages.ts")).listVersions,
    },
    {
      name: "restore",
      summary: "Make an older version current again.",
      examples: ["packages restore greetings 3f9a01c2"],
      arguments: [PACKAGE, { name: "<version>", text: "SHA-256 of the version, or its first letters" }],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/packages.ts")).restoreVersion,
    },
    {
      name: "delete",
      summary: "Delete a package with all its versions and its timers.",
      examples: ["packages delete greetings --yes"],
      arguments: [PACKAGE],
      options: [...REMOTE, TENANT, { flags: "--yes", text: "confirm: its waiting jobs will fail" }],
      load: async () => (await import("../commands/packages.ts")).removePackage,
    },
  ],
};

export const PACKAGES: readonly CommandSpec[] = [
  {
    name: "init",
    summary: "Create a package: a folder with a working job or timer.",
    examples: [
      "init packages/greetings",
      "init packages/nightly-report --timer",
      "init ../jobs/greetings --from dist/acme-jobyard-0.1.0.tgz",
    ],
    arguments: [{ name: "<directory>", text: "a new folder; its name becomes the package's" }],
    options: [
      ...LOCAL,
      { flags: "--timer", text: "with a job that starts on a schedule" },
      { flags: "--from <tarball>", text: "install jobyard from a copy of this file of npm run build:package" },
      JSON_OPTION,
    ],
    load: async () => (await import("../commands/init.ts")).init,
  },
  {
    name: "run",
    summary: "Run a job or timer of a package on this machine, packed and isolated as on a worker.",
    examples: [
      `run greetings --type Greetings --parameters '{"name":"world"}'`,
      "run greetings/dist/greetings.zip --out results",
      "run reports --type nightly   # a timer, once and now",
      "run greetings --inspect      # with a debugger",
    ],
    arguments: [{ name: "<package>", text: "its directory, or a ZIP packed for this machine" }],
    options: [
      ...LOCAL,
      { flags: "--type <jobType>", text: "job type or timer (default: the only one)" },
      {
        flags: "-p, --parameters <json>",
        text: "any JSON, or @file (default: null; for a timer, as for a run now)",
      },
      { flags: "--settings <file>", text: "JSON file with its settings and secrets, by name" },
      { flags: "--out <directory>", text: "copy its artifacts to this directory" },
      INSPECT,
      { flags: "--json", text: "print the result as JSON and the log to standard error" },
    ],
    load: async () => (await import("../commands/run.ts")).run,
  },
  {
    name: "dev",
    summary: "Publish packages to the local system at every save, and follow their jobs.",
    examples: ["dev packages/greetings", "dev packages", "dev packages/greetings --inspect"],
    arguments: [{ name: "<folders...>", text: "directories of packages, or of several packages each" }],
    options: [
      ...LOCAL,
      INSPECT,
      { flags: "--port <port>", text: "port of the API, if it starts the system (default: 7070)", number: [0, 65_535] },
      {
        flags: "--identity-port <port>",
        text: "port of the token issuer (default: 7443, or any with --port 0)",
        number: [0, 65_535],
      },
      { flags: "--json", text: "print an object for each event: packages, types, jobs and their logs" },
    ],
    load: async () => (await import("../commands/dev.ts")).dev,
  },
  {
    name: "pack",
    summary: "Pack a directory into a ZIP: find its jobs and timers, bundle its code.",
    examples: [
      "pack packages-sample/thumbnails",
      `pack my-package --os ${process.platform} --arch ${process.arch}   # for this machine`,
    ],
    arguments: [{ name: "<directory>", text: "the package's directory, with its package.json" }],
    options: [
      ...LOCAL,
      { flags: "-o, --out <file>", text: "output file (default: <directory>/dist/<name>.zip)" },
      { flags: "--os <os>", text: "the workers' operating system, for native modules", default: "linux" },
      { flags: "--arch <arch>", text: "the workers' processor", default: "x64" },
      {
        flags: "--libc <libc>",
        text: "the workers' C library, on Linux",
        choices: ["glibc", "musl"],
        default: "glibc",
      },
      JSON_OPTION,
    ],
    load: async () => (await import("../commands/pack.ts")).pack,
  },
  {
    name: "publish",
    summary: "Publish a package. Jobs that start later run this version.",
    examples: [
      "publish greetings/dist/greetings.zip --tenant demo",
      "publish build/out.zip --tenant demo --name greetings.zip",
    ],
    arguments: [{ name: "<zip>", text: "a ZIP from jobyard pack" }],
    options: [
      ...REMOTE,
      TENANT,
      { flags: "-n, --name <name.zip>", text: "package name for jobs (default: the file's name)" },
    ],
    load: async () => (await import("../commands/publish.ts")).publish,
  },
  PUBLISHED,
  {
    name: "types",
    summary: "Write TypeScript types of a tenant's published jobs, for programs that submit them.",
    examples: ["types --tenant demo --out src/jobyard-types.d.ts"],
    options: [...REMOTE, TENANT, { flags: "-o, --out <file>", text: "write to this file (default: print)" }],
    load: async () => (await import("../commands/types.ts")).types,
  },
];
