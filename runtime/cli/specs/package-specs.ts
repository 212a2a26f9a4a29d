/** Commands about packages: made and tried here, published and looked after there. */
import { JSON_OPTION, limit, LOCAL, REMOTE, TENANT, type ArgumentSpec, type CommandSpec } from "../command-spec.ts";

const PACKAGE: ArgumentSpec = { name: "<package>", text: "its name, with or without .zip" };

const PUBLISHED: CommandSpec = {
  name: "packages",
  summary: "List a tenant's published packages; see the versions of one, restore one of them, delete it.",
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
      summary: "List the versions of a package that are kept, newest first.",
      examples: ["packages versions greetings"],
      arguments: [PACKAGE],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/packages.ts")).listVersions,
    },
    {
      name: "restore",
      summary: "Make an older version the one that jobs run, again.",
      examples: ["packages restore greetings 3f9a01c2"],
      arguments: [PACKAGE, { name: "<version>", text: "as the list of versions names it, or its first letters" }],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/packages.ts")).restoreVersion,
    },
    {
      name: "delete",
      summary: "Delete a package with all its versions and its timers.",
      examples: ["packages delete greetings --yes"],
      arguments: [PACKAGE],
      options: [...REMOTE, TENANT, { flags: "--yes", text: "really: jobs of it that wait will fail" }],
      load: async () => (await import("../commands/packages.ts")).removePackage,
    },
  ],
};

export const PACKAGES: readonly CommandSpec[] = [
  {
    name: "init",
    summary: "Make a new package: a folder with one job that runs, or a timer.",
    examples: ["init greetings", "init nightly-report --timer"],
    arguments: [{ name: "<directory>", text: "a new folder; its name becomes the package's" }],
    options: [...LOCAL, { flags: "--timer", text: "with a job that a schedule starts" }, JSON_OPTION],
    load: async () => (await import("../commands/init.ts")).init,
  },
  {
    name: "run",
    summary: "Run one job or timer of a package on this machine: packed, unpacked and isolated as a worker does it.",
    examples: [
      `run greetings --type Greetings --parameters '{"name":"world"}'`,
      "run greetings/dist/greetings.zip --out results",
      "run reports --type nightly   # a timer, once and now",
    ],
    arguments: [{ name: "<package>", text: "its directory, or a ZIP packed for this machine" }],
    options: [
      ...LOCAL,
      { flags: "--type <jobType>", text: "which job, or timer (default: the only one)" },
      {
        flags: "-p, --parameters <json>",
        text: "any JSON, or @file (default: null; for a timer, those of a run now)",
      },
      { flags: "--out <directory>", text: "copy its artifacts there" },
      { flags: "--json", text: "print the result as JSON, the log to standard error" },
    ],
    load: async () => (await import("../commands/run.ts")).run,
  },
  {
    name: "pack",
    summary: "Make a package: find its jobs and timers, bundle its code, write one ZIP.",
    examples: [
      "pack packages-sample/thumbnails",
      `pack my-package --os ${process.platform} --arch ${process.arch}   # for this machine`,
    ],
    arguments: [{ name: "<directory>", text: "the package's directory, with its package.json" }],
    options: [
      ...LOCAL,
      { flags: "-o, --out <file>", text: "where to write the ZIP (default: <directory>/dist/<name>.zip)" },
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
    summary: "Publish a package: from then on its jobs run this version.",
    examples: [
      "publish greetings/dist/greetings.zip --tenant demo",
      "publish build/out.zip --tenant demo --name greetings.zip",
    ],
    arguments: [{ name: "<zip>", text: "as jobyard pack writes it" }],
    options: [
      ...REMOTE,
      TENANT,
      { flags: "-n, --name <name.zip>", text: "what jobs call it (default: the file's name)" },
    ],
    load: async () => (await import("../commands/publish.ts")).publish,
  },
  PUBLISHED,
];
