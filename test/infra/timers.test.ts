/** Tests deployed timers: the timers in a folder's packages become subscriptions of topic `timers`. */
import { describe, expect, it } from "vitest";
import type { Bundles } from "../../infra/bundles.ts";
import { InfraConfigError } from "../../infra/config.ts";
import { planTimers } from "../../infra/plan/timers.ts";
import type { ManifestTimer } from "../../runtime/core/package/manifest.ts";
import { SETTING } from "../../runtime/core/settings/names.ts";
import { FAKE_BUNDLES, mockedStack, type MockedStack } from "../support/infra/mocked-stack.ts";
import { packFolder } from "../../runtime/package/build/pack-folder.ts";
import { sourcePackage } from "../support/packages/source-package.ts";
import { subscriptionsOf } from "../support/infra/timer-subscriptions.ts";

/** A folder's packages, as `buildBundles` returns them. */
async function deployedFrom(folder: string): Promise<Bundles> {
  const packed = await packFolder(folder, { os: "linux", arch: "x64", libc: "glibc" });
  const packages = packed.map(({ fileName, manifest }) => ({ packageName: fileName, manifest }));
  return { ...FAKE_BUNDLES, packages };
}

const timerSource = (cron: string, settings = ""): string =>
  `import { scalableTimerJob } from "jobyard/job";
   export default scalableTimerJob({ cron: "${cron}"${settings} }, () => Promise.resolve({}));`;
const packageJson = (name: string, jobyard: object = {}): string =>
  JSON.stringify({ name, version: "1.0.0", type: "module", jobyard });

describe("a fork's own folder", () => {
  it("a fork's folder gets one subscription with one rule for every declared timer, and no other", async () => {
    await using folder = await sourcePackage({
      "nightly/package.json": packageJson("nightly"),
      "nightly/close-books.ts": timerSource("0 0 2 * * *", ', pool: "gpu", priority: "high"'),
      "nightly/send-mail.ts": timerSource("00:10:00"),
      "a-package-with-quite-a-long-name/package.json": packageJson("long", {
        jobs: [{ jobType: "Sweep", command: "true" }],
        timers: [{ timerName: "Sweep", cron: "0 */5 * * * *" }],
      }),
      "no-timers/package.json": packageJson("no-timers", { jobs: [{ jobType: "Once", command: "true" }] }),
    });
    const settings = {
      packagesPath: "jobs",
      packagesTenant: "team",
      pools: { gpu: { subnet: 1 } },
      runtimeRegistration: false,
    };
    const stack = await mockedStack("prod", settings, await deployedFrom(folder.path));
    const found = subscriptionsOf(stack.resources);
    expect(Object.values(found)).toEqual(
      expect.arrayContaining([
        { to: "jobs-gpu-high", rules: ["Listener = 'team.nightly.close-books'"] },
        { to: "jobs-default-normal", rules: ["Listener = 'team.nightly.send-mail'"] },
        { to: "jobs-default-normal", rules: ["Listener = 'team.a-package-with-quite-a-long-name.Sweep'"] },
      ]),
    );
    expect(Object.keys(found)).toHaveLength(3);
    for (const name of Object.keys(found)) expect(name).toMatch(/^[a-z0-9][a-z0-9._-]{0,49}$/);
  });
});

describe("a deployed package", () => {
  const withTimers = (...timers: readonly ManifestTimer[]) => ({
    ...FAKE_BUNDLES,
    packages: [{ packageName: "pack.zip", manifest: { timers } }],
  });
  const assignmentsOn = ({ resources }: MockedStack, on: RegExp): readonly string[] =>
    resources
      .filter(({ type, name }) => type.endsWith(":RoleAssignment") && on.test(name))
      .map(({ name }) => name)
      .toSorted();

  it("Pulumi creates timer subscriptions only if the API does not; then the API is owner of the events topic alone", async () => {
    const every = { timerName: "every", cron: "0 * * * * *" };
    const [on, off] = [
      await mockedStack("dev", {}, withTimers(every)),
      await mockedStack("dev", { runtimeRegistration: false }, withTimers(every)),
    ];
    expect(subscriptionsOf(on.resources)).toEqual({});
    expect(off.named("bus-topic-timers-demo.pack.every")).toMatchObject({ forwardTo: "jobs-default-normal" });
    expect(assignmentsOn(on, /^api-.*(topic|queue)/)).toEqual([
      "api-own-queue-jobs-default-high",
      "api-own-queue-jobs-default-low",
      "api-own-queue-jobs-default-normal",
      "api-own-topic-job-events",
      "api-own-topic-timers",
    ]);
    expect(assignmentsOn(off, /^api-.*topic/)).toEqual(["api-own-topic-job-events", "api-send-topic-timers"]);
    const settingOf = (stack: MockedStack): unknown =>
      (
        stack.named("jobyard-api-host")["siteConfig"] as { appSettings: { name: string; value: unknown }[] }
      ).appSettings.find(({ name }) => name === SETTING.timerRegistration)?.value;
    expect([settingOf(on), settingOf(off)]).toEqual(["on", "off"]);
  });

  it("a package is refused if the stack has no pool for a timer, naming each timer", () => {
    const packages = [
      { packageName: "a.zip", manifest: { timers: [{ timerName: "x", cron: "0 * * * * *", pool: "gpu" }] } },
      { packageName: "b.zip", manifest: { timers: [{ timerName: "y", cron: "0 * * * * *", pool: "farm" }] } },
    ];
    const plan = () => planTimers({ packages, tenantName: "demo", pools: ["default"] });
    expect(plan).toThrow(InfraConfigError);
    expect(plan).toThrow(/packagesPath: a\.zip: .*timers\[0\]\.pool: there is no worker pool gpu; there are default/);
    expect(plan).toThrow(/packagesPath: b\.zip: .*no worker pool farm/);
  });
});
