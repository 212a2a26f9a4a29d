import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { InfraConfigError, parseInfraConfig } from "../../infra/config.ts";
import { ROOT, settingsIn } from "../../infra/tools/stack-graph.ts";
import { stackSettings } from "../support/infra/mocked-stack.ts";

function problemsOf(settings: Readonly<Record<string, unknown>>): readonly string[] {
  try {
    parseInfraConfig(settings);
  } catch (error) {
    if (error instanceof InfraConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** Storage firewalls accept neither private addresses nor the two smallest ranges. */
const RANGES_REFUSED = [
  "home",
  "10.0.0.1",
  "172.16.0.0/24",
  "300.1.1.1",
  "203.0.113.0/31",
  "203.0.113.7/",
  "1.2.3.4/8/8",
];

describe("a stack's configuration", () => {
  it("a configuration without settings is valid", () => {
    expect(parseInfraConfig({})).toMatchObject({
      protectData: false,
      busSku: "Standard",
      egress: "nat",
      dataNetwork: "vnet",
      pools: [{ name: "default", slots: 1, spot: false, scale: { kind: "auto", min: 1, max: 100 } }],
      auth: { mode: "create", adminObjectIds: [] },
    });
  });

  it("settings are read from text, as Pulumi stores them, and from values", () => {
    const fromText = parseInfraConfig({ workerMin: "0", workerMax: "7", protectData: "true" });
    expect(fromText).toEqual(parseInfraConfig({ workerMin: 0, workerMax: 7, protectData: true }));
    expect(fromText.pools[0]?.scale).toEqual({ kind: "auto", min: 0, max: 7 });
  });

  it("a pool has its own settings, and the stack's for all others", () => {
    const { pools } = parseInfraConfig({
      workerSlots: 2,
      pools: {
        gpu: { subnet: 1, vmSize: "Standard_NC4as_T4_v3", max: 4 },
        farm: { subnet: 2, autoscale: false, count: 800, spot: true },
        default: { slots: 8 },
      },
    });
    expect(pools).toMatchObject([
      { name: "default", slots: 8, vmSize: "Standard_D2as_v5", scale: { kind: "auto", max: 100 } },
      { name: "gpu", slots: 2, vmSize: "Standard_NC4as_T4_v3", scale: { kind: "auto", max: 4 } },
      { name: "farm", slots: 2, spot: true, scale: { kind: "fixed", count: 800 } },
    ]);
  });

  it.each<[Readonly<Record<string, unknown>>, RegExp]>([
    [{ workerMax: 101 }, /^jobyard:workerMax must be a whole number from 1 to 100$/],
    [{ workerMax: "101" }, /^jobyard:workerMax must be/],
    [{ workerMax: "" }, /^jobyard:workerMax must be/],
    [{ workerMin: -1 }, /^jobyard:workerMin must be a whole number from 0 to 100$/],
    [{ workerCount: 801 }, /^jobyard:workerCount must be a whole number from 0 to 800$/],
    [{ workerSlots: 1.5 }, /^jobyard:workerSlots must be a whole number from 1 to 1000$/],
    [{ apiSku: "F1" }, /^jobyard:apiSku must be one of B1, B2, /],
    [{ workerVmSize: "D2as_v5" }, /^jobyard:workerVmSize must be a VM size in Azure's notation/],
    [{ workerVmSize: "Standard_D2ps_v5" }, /^jobyard:workerVmSize must be an x64 size/],
    [{ storageReplication: "XRS" }, /^jobyard:storageReplication must be one of LRS/],
    [{ busCapacity: 3 }, /^jobyard:busCapacity must be one of 1, 2, 4, 8, 16$/],
    [{ pools: { "GPU!": {} } }, /^jobyard:pools\.GPU! must be a pool name of 1 to 20 lower-case letters/],
    [{ pools: { gpu: { max: 101 } } }, /^jobyard:pools\.gpu\.max must be a whole number from 1 to 100$/],
    [
      { pools: { gpu: { size: "x" } } },
      /^jobyard:pools\.gpu\.size is not a key of a pool; the keys are subnet, vmSize/,
    ],
    [{ pools: "gpu" }, /^jobyard:pools must be an object of pools by name$/],
    [{ pools: { gpu: { min: 9, max: 3 } } }, /^jobyard:pools\.gpu\.min is 9, more than the maximum of the pool/],
    [{ workerMin: 9, workerMax: 3 }, /^jobyard:workerMin is 9, more than/],
    [{ workerMx: 3 }, /^jobyard:workerMx is not a setting/],
    [{ protectData: "yes" }, /^jobyard:protectData must be true or false$/],
    [{ addressSpace: "11.0.0.0/16" }, /^jobyard:addressSpace must be a private IPv4 network/],
    [{ pools: { gpu: {} } }, /^jobyard:pools\.gpu\.subnet is missing: choose an unused number from 1 to 62$/],
    [{ pools: { gpu: { subnet: 0 } } }, /^jobyard:pools\.gpu\.subnet must be a whole number from 1 to/],
    [{ pools: { gpu: { subnet: 63 } } }, /^jobyard:pools\.gpu\.subnet must be from 1 to 62 in 10\.20\.0\.0\/16$/],
    [{ pools: { a: { subnet: 1 }, b: { subnet: 1 } } }, /^jobyard:pools\.a\.subnet is 1, which pool b uses$/],
    [{ pools: { default: { subnet: 1 } } }, /^jobyard:pools\.default\.subnet is always 0$/],
    [{ addressSpace: "10.0.0.0/22" }, /^jobyard:addressSpace is too small for a worker pool/],
    [{ apiMin: 4 }, /^jobyard:apiMin must be from 1 to 3 with apiSku B1$/],
    [{ apiMax: 3 }, /^jobyard:apiMax needs a plan that scales automatically \(S or P\), not B1$/],
    [{ apiSku: "S1", apiMax: 11 }, /^jobyard:apiMax must be from 1 to 10 with apiSku S1$/],
    [{ authMode: "existing" }, /^jobyard:authClientId is required with authMode existing$/],
    [{ authClientId: crypto.randomUUID() }, /^jobyard:authClientId is for authMode existing$/],
    [{ authAdminObjectIds: ["me"] }, /^jobyard:authAdminObjectIds\.0 must be a GUID$/],
    [{ deployerIpRanges: ["home"] }, /^jobyard:deployerIpRanges\.0 must be a public IPv4 address or range/],
    ...RANGES_REFUSED.map((range): [Readonly<Record<string, unknown>>, RegExp] => [
      { allowedIpRanges: [range] },
      /^jobyard:allowedIpRanges\.0 must be a public IPv4 address or range/,
    ]),
    [{ tags: { ["t".repeat(129)]: "" } }, /^jobyard:tags\.t+ must be a tag name of at most 128 characters$/],
    [{ tags: { owner: "v".repeat(257) } }, /^jobyard:tags\.owner must be a text of at most 256 characters$/],
    [
      { tags: Object.fromEntries(Array.from({ length: 48 }, (_, at) => [at, ""])) },
      /^jobyard:tags must be at most 47$/,
    ],
    [{ sshPublicKey: "ssh-dss AAAA" }, /^jobyard:sshPublicKey must be an ssh-rsa or ssh-ed25519 public key$/],
    [{ alertEmail: "me" }, /^jobyard:alertEmail must be an e-mail address$/],
    [{ alertWebhook: "http://alerts.example.com" }, /^jobyard:alertWebhook must be an https URL$/],
    [{ oldestWaitingAlertMinutes: 0 }, /^jobyard:oldestWaitingAlertMinutes must be a whole number from 1 to 10080$/],
    [{ failureAlertPercent: 100 }, /^jobyard:failureAlertPercent must be a whole number from 1 to 99$/],
    [{ traceRatio: 5 }, /^jobyard:traceRatio must be a number from 0 to 1$/],
    [{ packagesPath: "/home/me/packages" }, /^jobyard:packagesPath must be a folder, relative to the project$/],
    [{ packagesTenant: "Our Team" }, /^jobyard:packagesTenant must be a tenant name of 1 to 15 lower-case letters/],
    [{ workerProtection: "maybe" }, /^jobyard:workerProtection must be one of required, best-effort, off$/],
    [{ workerIdleGraceSeconds: 3_601 }, /^jobyard:workerIdleGraceSeconds must be a whole number from 0 to 3600$/],
    [{ allowedOrigins: ["https://app.example.com/page"] }, /^jobyard:allowedOrigins\.0 must be an origin/],
    [{ allowedOrigins: ["http://evil.example"] }, /^jobyard:allowedOrigins\.0 must be an origin/],
  ])("an invalid configuration is refused with the key and the allowed values: %j", (settings, message) => {
    const problems = problemsOf(settings);
    expect(problems[0]).toMatch(message);
  });

  it("a refused configuration lists all problems at once", () => {
    expect(problemsOf({ workerMax: 101, apiSku: "F1", pools: { "GPU!": {} }, tpyo: 1 })).toHaveLength(4);
    expect(problemsOf({ workerMin: 5, workerMax: 2, apiMin: 4, authMode: "existing" })).toHaveLength(4);
  });

  it("tools that run the program without Pulumi leave out the secrets of a stack's file", () => {
    const file =
      "config:\n  jobyard:apiMin: 2\n  jobyard:alertWebhook:\n    secure: v1:abc=\n  jobyard:tags: { a: b }\n";
    expect(settingsIn(file)).toEqual({ "jobyard:apiMin": "2", "jobyard:tags": '{"a":"b"}' });
  });

  it.each(["dev", "prod"])("the configuration file of stack %s is valid", async (stack) => {
    expect(problemsOf(await stackSettings(stack))).toEqual([]);
  });

  it("the settings that `pulumi new` proposes are valid, and every key has a description", async () => {
    const { template } = parse(await readFile(join(ROOT, "Pulumi.yaml"), "utf8")) as {
      template: { config: Record<string, { description: string; default: string }> };
    };
    const prompts = Object.entries(template.config).filter(([key]) => key.startsWith("jobyard:"));
    expect(prompts.length).toBeGreaterThan(3);
    for (const [, { description }] of prompts) expect(description).toMatch(/./);
    const answers = prompts.map(([key, value]): [string, unknown] => [
      key.replace("jobyard:", ""),
      value.default.startsWith("[") ? JSON.parse(value.default) : value.default,
    ]);
    expect(problemsOf(Object.fromEntries(answers))).toEqual([]);
  });
});
