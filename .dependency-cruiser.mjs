// The rooms of the code and what each may import. `npm run check` also holds ARCHITECTURE.md's table against this list.
// Imports run one way. `why` says what a breach would cost.

/** Libraries and Node built-ins are open to a room, unless it is `pure`: then only the libraries named there are. */
export const ROOMS = [
  {
    room: "runtime/core",
    imports: [],
    pure: ["zod", "@noble/hashes"],
    why: "The browser client and the Pulumi program load it: rules only, no I/O.",
  },
  {
    room: "runtime/telemetry",
    imports: [],
    pure: ["@opentelemetry/api"],
    why: "What is measured knows nothing of who takes it.",
  },
  { room: "runtime/platform", imports: ["runtime/core"], why: "Every program starts with it." },
  { room: "runtime/client", imports: ["runtime/core"], pure: [], why: "It runs in a browser." },
  { room: "runtime/job-sdk", imports: ["runtime/core"], why: "The bundle of every package contains it." },
  {
    room: "runtime/package",
    imports: ["runtime/core", "web/build"],
    why: "API, worker, command line and infra share it.",
  },
  {
    room: "runtime/azure",
    imports: ["runtime/core", "runtime/telemetry"],
    why: "Adapters know the rules and nothing else.",
  },
  {
    room: "runtime/lifecycle",
    imports: ["runtime/core", "runtime/telemetry"],
    pure: [],
    why: "It needs ports only; each caller brings its own.",
  },
  {
    room: "runtime/timers",
    imports: ["runtime/core", "runtime/telemetry", "runtime/lifecycle", "runtime/package"],
    why: "Nothing on the path of an ordinary job needs it.",
  },
  {
    room: "runtime/sweeper",
    imports: ["runtime/core", "runtime/telemetry", "runtime/lifecycle"],
    why: "It repairs through ports.",
  },
  {
    room: "runtime/api",
    imports: [
      "runtime/core",
      "runtime/telemetry",
      "runtime/platform",
      "runtime/package",
      "runtime/lifecycle",
      "runtime/timers",
    ],
    why: "It receives its adapters, so that tests run it over memory.",
  },
  {
    room: "runtime/worker",
    imports: [
      "runtime/core",
      "runtime/telemetry",
      "runtime/platform",
      "runtime/package",
      "runtime/job-sdk",
      "runtime/lifecycle",
    ],
    why: "It receives its adapters, so that tests run it over memory.",
  },
  {
    room: "runtime/local/bus",
    imports: [],
    why: "The local Service Bus is a package of its own: other projects take it, a fork can delete it.",
  },
  {
    room: "runtime/local/bus/test",
    imports: ["runtime/local/bus", "test/support"],
    why: "The tests of the local Service Bus go with it.",
  },
  {
    room: "runtime/local",
    imports: ["runtime/core", "runtime/platform", "runtime/client", "runtime/package"],
    why: "It stands in for Azure on a laptop; nothing that is deployed may need it.",
  },
  {
    room: "runtime/cli",
    imports: [
      "runtime/core",
      "runtime/platform",
      "runtime/client",
      "runtime/package",
      "runtime/worker",
      "runtime/local",
    ],
    why: "It is a client of the API, and runs jobs as a worker does.",
  },
  {
    room: "runtime/testing",
    imports: [
      "runtime/core",
      "runtime/azure",
      "runtime/client",
      "runtime/job-sdk",
      "runtime/local",
      "runtime/package",
      "runtime/worker",
    ],
    why: "It runs jobs with the code that runs them on a worker.",
  },
  {
    room: "runtime/main",
    imports: ["runtime", "web/build"],
    why: "It composes everything that runs, and nothing that deploys it.",
  },
  {
    room: "web",
    imports: ["runtime/client", "runtime/core"],
    why: "It runs in a browser, and shows what any program can get with the client.",
  },
  {
    room: "web/build",
    imports: [],
    why: "It makes files of the pages for programs and deployment, and knows neither.",
  },
  {
    room: "infra/rehearsal",
    imports: [
      "infra",
      "runtime/core",
      "runtime/client",
      "runtime/package",
      "runtime/local/identity",
      "runtime/worker/package-cache",
    ],
    why: "It plays Azure and its callers; it knows the deployed programs by their packages alone.",
  },
  {
    room: "infra",
    imports: ["infra/rehearsal", "runtime/core", "runtime/package", "runtime/platform", "web/build"],
    why: "Deployment and code share names and limits, nothing else.",
  },
  {
    room: "packages",
    imports: ["runtime/job-sdk", "runtime/testing"],
    why: "A package imports `jobyard/job`, its tests `jobyard/testing`, and nothing else of ours.",
  },
  {
    room: "packages-sample",
    imports: ["runtime/job-sdk", "runtime/testing"],
    why: "A sample imports what any author imports.",
  },
];

const PROJECT = "^(runtime|infra|web|test|packages|packages-sample|bench)/";

/** They drive the whole system, as other tests do. */
const TESTS_OF_SAMPLES = "^packages-sample/test/";

/** Rooms inside of `room`, which have rules of their own. */
const inner = (room) => ROOMS.filter((other) => other.room.startsWith(`${room}/`)).map((other) => `^${other.room}/`);
const files = (rooms) => rooms.map((room) => `^${room}/`);

const importRules = ROOMS.flatMap(({ room, imports, types = [], pure, why }) => {
  const from = { path: `^${room}/`, pathNot: [...inner(room), TESTS_OF_SAMPLES] };
  return [
    {
      name: `${room}-imports`,
      comment: why,
      severity: "error",
      from,
      to: { path: PROJECT, pathNot: files([room, ...imports, ...types]) },
    },
    ...types.map((typesOf) => ({
      name: `${room}-takes-types-of-${typesOf}`,
      comment: why,
      severity: "error",
      from,
      to: { path: `^${typesOf}/`, dependencyTypesNot: ["type-only"] },
    })),
    ...(pure === undefined
      ? []
      : [
          {
            name: `${room}-is-pure`,
            comment: why,
            severity: "error",
            from,
            to: {
              dependencyTypes: ["core", "npm", "npm-dev", "npm-optional"],
              ...(pure.length > 0 && { pathNot: `node_modules/(${pure.join("|")})/` }),
            },
          },
        ]),
  ];
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
    ...importRules,
    {
      name: "only-azure-imports-the-sdks",
      comment: "One folder speaks Azure, so that everything else can be read without knowing it.",
      severity: "error",
      from: { path: "^runtime/", pathNot: "^runtime/(azure|main)/" },
      to: { path: "node_modules/@azure/" },
    },
    {
      name: "roots-only-build-credentials",
      comment:
        "Composition roots choose credential and exporters; every other call to a service belongs to runtime/azure.",
      severity: "error",
      from: { path: "^runtime/main/" },
      to: { path: "node_modules/@azure/", pathNot: "node_modules/@azure/(identity|monitor-opentelemetry-exporter)/" },
    },
    {
      name: "only-main-exports-telemetry",
      comment: "What is measured knows OpenTelemetry's API alone.",
      severity: "error",
      from: { path: "^runtime/", pathNot: "^runtime/main/" },
      to: { path: "node_modules/@opentelemetry/", pathNot: "node_modules/@opentelemetry/api/" },
    },
    {
      name: "bus-engine-is-pure",
      comment: "The broker has no sockets, files or clock of its own, so that properties can be tested exhaustively.",
      severity: "error",
      from: { path: "^runtime/local/bus/engine/" },
      to: { pathNot: "^runtime/local/bus/engine/" },
    },
    {
      name: "nobody-imports-main",
      comment: "Composition roots compose; they are not libraries.",
      severity: "error",
      from: { path: "^runtime/", pathNot: "^runtime/main/" },
      to: { path: "^runtime/main/" },
    },
    {
      name: "authors-import-the-public-face",
      comment: "A package imports `jobyard/job` and `jobyard/testing`, and nothing behind them.",
      severity: "error",
      from: { path: "^packages(-sample)?/", pathNot: TESTS_OF_SAMPLES },
      to: { path: "^runtime/", pathNot: "^runtime/(job-sdk|testing)/index\\.ts$" },
    },
    {
      name: "only-tests-import-testing",
      comment: "What runs in production needs no helper of tests.",
      severity: "error",
      from: { path: "^(runtime|infra|packages(-sample)?/[^/]+/src)/", pathNot: "^runtime/testing/" },
      to: { path: "^runtime/testing/" },
    },
    {
      name: "no-tests-in-production",
      comment: "Production code has no test switches.",
      severity: "error",
      from: { path: "^(runtime|infra)/", pathNot: "^runtime/local/bus/test/" },
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
