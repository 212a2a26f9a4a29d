// The import rules of ARCHITECTURE.md, checked. Imports run one way; each rule says what a breach would cost.

/** Forbids `from` to import anything of this project outside `to`. */
const only = (name, from, to, comment) => ({
  name,
  comment,
  severity: "error",
  from: { path: from },
  to: { path: "^(runtime|infra|test|packages-sample)/", pathNot: to },
});

export default {
  forbidden: [
    {
      name: "no-circular",
      comment: "A cycle makes two modules one.",
      severity: "error",
      from: {},
      to: { circular: true, dependencyTypesNot: ["type-only"] },
    },
    only("core-imports-nothing", "^runtime/core/", ["^runtime/core/"], "core is rules only: no I/O and no neighbours."),
    {
      name: "core-is-pure",
      comment:
        "core runs in the browser client and in the Pulumi program: no Node built-in, and no library but the validator and hashes.",
      severity: "error",
      from: { path: "^runtime/core/" },
      to: { dependencyTypes: ["core", "npm", "npm-dev", "npm-optional"], pathNot: "node_modules/(zod|@noble/hashes)/" },
    },
    only(
      "azure-imports-core",
      "^runtime/azure/",
      ["^runtime/(azure|core)/"],
      "Adapters know the rules and nothing else.",
    ),
    {
      name: "only-azure-imports-the-sdks",
      comment: "One folder speaks Azure, so that everything else can be read without knowing it.",
      severity: "error",
      from: { path: "^runtime/", pathNot: "^runtime/(azure|main)/" },
      to: { path: "node_modules/@azure/" },
    },
    {
      name: "roots-only-build-credentials",
      comment: "Composition roots choose a credential; every call to a service belongs to runtime/azure.",
      severity: "error",
      from: { path: "^runtime/main/" },
      to: { path: "node_modules/@azure/", pathNot: "node_modules/@azure/identity/" },
    },
    only(
      "jobs-imports-core",
      "^runtime/jobs/",
      ["^runtime/(jobs|core)/"],
      "What API, workers and sweeper do to jobs needs ports only, so each can use it with its own adapters.",
    ),
    {
      name: "jobs-has-no-platform",
      comment: "Everything outside comes through ports: no Node built-in and no library.",
      severity: "error",
      from: { path: "^runtime/jobs/" },
      to: { dependencyTypes: ["core", "npm", "npm-dev", "npm-optional"] },
    },
    only(
      "scheduler-imports-core",
      "^runtime/scheduler/",
      ["^runtime/(scheduler|core)/"],
      "When ticks are sent is decided by rules and ports, so that it can be tested with any clock.",
    ),
    only(
      "sockets-imports-core",
      "^runtime/sockets/",
      ["^runtime/(sockets|core)/"],
      "Every server takes the same limits from there, the local Service Bus too.",
    ),
    only(
      "ownership-imports-nothing",
      "^runtime/ownership/",
      ["^runtime/ownership/"],
      "Storage, local Service Bus, workers and the stack claim their folders in one way.",
    ),
    only("job-imports-core", "^runtime/job/", ["^runtime/(job|core)/"], "What a package author imports stays small."),
    only(
      "packaging-imports-core",
      "^runtime/packaging/",
      ["^runtime/(packaging|core)/"],
      "infra uses packaging without the runtime.",
    ),
    only(
      "packages-imports-core",
      "^runtime/packages/",
      ["^runtime/(packages|core)/"],
      "API and workers judge a package alike because both call the same code, which knows neither.",
    ),
    only(
      "timers-imports-core",
      "^runtime/timers/",
      ["^runtime/(timers|packages|core)/"],
      "What registers timers needs ports only: the API does it for a package, the sweeper for what was left over.",
    ),
    only("client-imports-core", "^runtime/client/", ["^runtime/(client|core)/"], "The client runs in a browser."),
    {
      name: "client-has-no-platform",
      comment: "The client needs nothing but what browsers have; the validator's types vanish.",
      severity: "error",
      from: { path: "^runtime/client/" },
      to: { dependencyTypes: ["core", "npm", "npm-dev", "npm-optional"] },
    },
    only(
      "bus-imports-core",
      "^runtime/local/bus/",
      ["^runtime/(local/bus|ownership|sockets|core)/"],
      "The local Service Bus is usable on its own.",
    ),
    {
      name: "bus-engine-is-pure",
      comment: "The broker has no sockets, files or clock of its own, so that properties can be tested exhaustively.",
      severity: "error",
      from: { path: "^runtime/local/bus/engine/" },
      to: { pathNot: "^runtime/(local/bus/engine|core)/" },
    },
    {
      name: "api-takes-types-only",
      comment: "API and worker receive their dependencies; only their types are imported.",
      severity: "error",
      from: { path: "^runtime/(api|worker|scheduler)/" },
      to: { path: "^runtime/(azure|local)/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "nobody-imports-main",
      comment: "Composition roots compose; they are not libraries.",
      severity: "error",
      from: { path: "^runtime/", pathNot: "^runtime/main/" },
      to: { path: "^runtime/main/" },
    },
    only(
      "infra-imports-rules",
      "^infra/(?!rehearsal/)",
      ["^(infra|runtime/(core|packaging))/", "^runtime/node-version\\.mjs$"],
      "Deployment and code share names and limits, nothing else.",
    ),
    only(
      "rehearsal-imports-rules",
      "^infra/rehearsal/",
      ["^(infra|runtime/(core|packaging|client|local/identity|worker/packages))/"],
      "The rehearsal plays Azure and its callers; it knows the deployed programs by their packages alone.",
    ),
    {
      name: "samples-use-the-public-face",
      comment: "A sample imports what any author imports: `jobyard/job`.",
      severity: "error",
      from: { path: "^packages-sample/" },
      to: { path: "^(runtime|infra|test)/", pathNot: "^runtime/job/index\\.ts$" },
    },
    {
      name: "no-tests-in-production",
      comment: "Production code has no test switches.",
      severity: "error",
      from: { path: "^(runtime|infra)/" },
      to: { path: "^test/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|\\.jobyard)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
      mainFields: ["main"],
    },
    combinedDependencies: true,
  },
};
