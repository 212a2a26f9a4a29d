import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { defineConfig } from "vitest/config";
import { ATTACK_FAMILIES, tagOf } from "./test/attack/families.ts";
import { passedFiles } from "./test/support/passed-files.ts";
import { keepLoopbackDirect } from "./runtime/platform/loopback-direct.mjs";

// As the programs do in main/start.mjs: no proxy is asked for what runs on this machine.
keepLoopbackDirect();
// What a test's process compiles of libraries, the next one loads.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules/.cache/jobyard/tests");

const API_TESTS = "test/integration/api/**/*.test.ts";
/** They take the place of a process's clock and timers, also those that libraries keep. */
const VIRTUAL_TIME_TESTS = "test/integration/faults/{every-fault,timers}.test.ts";
/** Long for what they add to the others: `npm run test:full` runs them, and so does CI. */
const LONG =
  process.env["TEST_BREADTH"] === "full"
    ? []
    : [
        "runtime/local/bus/test/integration/{access,chaos,durability,package,python}.test.ts",
        "packages-sample/documents/test/documents.test.ts",
        "packages-sample/test/unit/programs.test.ts",
        "test/infra/{bundles,cloud-init,graph,github-deployer}.test.ts",
        "test/integration/api/{connections,fuzz,hardening,shares}.test.ts",
        "test/integration/azure/{api,counters,group-commit,job-queue,worker-store}.test.ts",
        "test/integration/cli/commands.test.ts",
        "test/integration/client/{notifications-under-faults,wait}.test.ts",
        "test/integration/events/{api-processes,failures,hub,sse}.test.ts",
        "test/integration/faults/{every-fault,real-services,timers}.test.ts",
        "test/integration/local/{foreign-pages,indexed-queries,two-owners}.test.ts",
        "test/integration/logs/logs.test.ts",
        "test/integration/packaging/libraries.test.ts",
        "test/integration/ports/{job-queue,tenant-removal}.test.ts",
        "test/integration/release/{machine,programs}.test.ts",
        "test/integration/releases/side-by-side.test.ts",
        "test/integration/scheduler/scheduler.test.ts",
        "test/integration/shares/pauses.test.ts",
        "test/integration/telemetry/*.test.ts",
        "test/integration/testing/start-jobyard.test.ts",
        "test/integration/timers/{runs,takeover}.test.ts",
        "test/integration/webhooks/delivery.test.ts",
        "test/integration/worker/machine/{scale-set,worker-process}.test.ts",
        "test/integration/worker/{file-calls,limits,operations,operations-per-job}.test.ts",
        "test/unit/cli/schema-types.test.ts",
        "test/unit/main/orphans.test.ts",
        "test/unit/model/model.test.ts",
        "test/unit/package/build/jobyard-package.test.ts",
        "test/unit/worker/process/{command-run,limits,source-lines,stopping,untrusted-jobs}.test.ts",
        "test/unit/worker/process/{files/remove-tree,os/job-users}.test.ts",
        "test/unit/worker/process/shared/{shared-endings,shared-jobs}.test.ts",
      ];
/** The JSON report of an earlier `npm test`, whose passed files need not run again. */
const EARLIER = process.env["TEST_PASSED"];
/** Paths, separated by spaces, of files that run later. */
const LATER = process.env["TEST_LATER"]?.split(" ") ?? [];
const LEFT_OUT = [...(EARLIER === undefined ? LONG : passedFiles(EARLIER)), ...LATER];

/** Vitest's own limit for `expect.poll` is a second, which a busy machine exceeds. */
const PATIENT = { poll: { timeout: 50_000 } };

export default defineConfig({
  test: {
    // No test is about its own time limit: they end what hangs, and are wide, since a busy machine may take ten times as long.
    // One more than there are cores: many tests wait for locks, processes and answers, while others compute.
    maxWorkers: availableParallelism() + 1,
    tags: Object.entries(ATTACK_FAMILIES).map(([family, description]) => ({ name: tagOf(family), description })),
    // Test files share their processes, and so what they import: loading it takes longer than most tests. Whoever changes
    // timers, globals or the environment puts them back.
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "{test,runtime/local/bus/test}/unit/**/*.test.ts",
            "packages{,-sample}/*/test/**/*.test.ts",
            "packages-sample/test/unit/**/*.test.ts",
          ],
          exclude: LEFT_OUT,
          isolate: false,
          expect: PATIENT,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "integration",
          include: ["{test,runtime/local/bus/test}/integration/**/*.test.ts"],
          exclude: [API_TESTS, VIRTUAL_TIME_TESTS, ...LEFT_OUT],
          globalSetup: ["test/support/stores/azurite.ts"],
          isolate: false,
          expect: PATIENT,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        // In a process of its own: part of `npm run test:full`.
        test: {
          name: "virtual-time",
          include: [VIRTUAL_TIME_TESTS],
          exclude: LEFT_OUT,
          expect: PATIENT,
          testTimeout: 600_000,
        },
      },
      {
        test: {
          name: "api",
          include: [API_TESTS],
          exclude: LEFT_OUT,
          isolate: false,
          expect: PATIENT,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        // The same tests over the adapters, Azurite and the local bus: part of `npm run test:full`.
        test: {
          name: "api-azurite",
          include: [API_TESTS],
          // These are about HTTP and rights, which are judged before any store is asked, or ask the stores for nothing that
          // the contracts of the ports do not hold.
          exclude: [
            "test/integration/api/{auth/**,connections,contract,contract-judge,document,hardening,json-bodies}*",
            "test/integration/api/{renewed-rights,shares,tenancy,web-pages}*",
            "test/integration/api/{api,audit,dead-letters,delayed-job,known-jobs,log,packages,parameters}.test.ts",
            "test/integration/api/{publish-release,settings,tenants,timers,workers}.test.ts",
          ],
          isolate: false,
          env: { API_STORES: "azure" },
          globalSetup: ["test/support/stores/azurite.ts"],
          expect: PATIENT,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: "infra",
          include: ["test/infra/**/*.test.ts"],
          exclude: LEFT_OUT,
          isolate: false,
          expect: PATIENT,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", "packages-sample/test/e2e/**/*.test.ts"],
          globalSetup: ["test/support/stores/azurite.ts"],
          expect: PATIENT,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
