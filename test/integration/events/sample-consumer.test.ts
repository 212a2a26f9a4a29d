/** The consumer in docs/samples, run as a reader runs it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, it } from "vitest";
import { EVENTS_TOPIC } from "../../../runtime/core/deployment/topology.ts";
import { connectAdmin } from "../../../runtime/local/bus/test/support/start-bus.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem } from "../../support/test-system.ts";

const SAMPLE = join(import.meta.dirname, "../../../docs/samples/event-consumer.ts");

it("prints the events that pass its filter, each once, and stops on a signal", async () => {
  const tenant = freshTenant();
  await using system = await startTestSystem();
  await using worker = await system.startWorker();
  await system.publish(
    tenant,
    "test.zip",
    testPackage({ jobs: { Quick: "return {};", Fails: "throw nonRetryable('no');" } }),
  );
  const admin = connectAdmin(system.bus.adminConnectionString!);
  await admin.createSubscription(EVENTS_TOPIC, "my-service", {
    defaultRuleOptions: {
      name: "failed-jobs",
      filter: { sqlExpression: `TenantName = '${tenant}' AND EventType = 'jobCompleted' AND Status = 'failed'` },
    },
  });
  const child = spawn(process.execPath, [SAMPLE], {
    env: { SERVICEBUS_CONNECTION_STRING: system.bus.connectionString, SUBSCRIPTION: "my-service" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.on("data", (chunk) => (printed += String(chunk)));
  try {
    const fails = await system.submit(tenant, "Fails");
    const quick = await system.submit(tenant, "Quick");
    const failsToo = await system.submit(tenant, "Fails");
    for (const jobId of [fails, quick, failsToo]) await system.until(jobId);
    await worker.drain(0);
    const lines = [fails, failsToo].map((jobId) => `jobCompleted ${jobId} failed\n`);
    await expect
      .poll(() => printed.split("\n").toSorted(), { timeout: 120_000 })
      .toEqual(lines.join("").split("\n").toSorted());
  } finally {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  expect(child.exitCode).toBe(0);
});
