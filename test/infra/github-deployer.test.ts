/** Tests infra/tools/github-deployer.sh: it sets up exactly what the workflow needs, however often it runs. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { fakeAzAndGh, SUBSCRIPTION, TENANT, type FakeCloud } from "../support/infra/fake-az-and-gh.ts";
import { hasProgram } from "../support/processes/has-program.ts";

const ROOT = join(import.meta.dirname, "../..");
const SCRIPT = join(ROOT, "infra/tools/github-deployer.sh");
const ARGUMENTS = ["--repo", "acme/jobs", "--reviewer", "ada"];
/** Commands that run every time. Repeating them has no effect. */
const AGAIN = ["az storage account blob-service-properties update", "az storage container-rm create", "az rest put"];

const run = promisify(execFile);
const setUp = async (cloud: FakeCloud, ...more: readonly string[]): Promise<string> => {
  const { stdout } = await run("bash", [SCRIPT, ...ARGUMENTS, ...more], {
    env: { PATH: `${cloud.bin}:${process.env["PATH"] ?? ""}` },
  });
  return stdout;
};
const workflow = await readFile(join(ROOT, ".github/workflows/deploy.yml"), "utf8");

describe("github-deployer.sh", () => {
  it("github-deployer.sh sets the variables that the workflow reads, and makes Azure trust only its environments", async () => {
    await using cloud = await fakeAzAndGh();
    await setUp(cloud);
    const read = new Set([...workflow.matchAll(/\bvars\.(\w+)/g)].map(([, name]) => name));
    expect(new Set(cloud.variables.keys())).toEqual(read);
    const jobs = Object.values((parse(workflow) as { jobs: Record<string, { environment?: string }> }).jobs);
    const environments = jobs.flatMap(({ environment }) => environment ?? []);
    const [clientId, { subjects }] = [...cloud.applications][0]!;
    expect(Object.fromEntries(subjects)).toEqual(
      Object.fromEntries(environments.map((name) => [name, `repo:acme/jobs:environment:${name}`])),
    );
    expect(Object.fromEntries(cloud.environments)).toEqual({
      preview: { reviewers: 1, branches: [] },
      prod: { reviewers: 1, branches: ["main"] },
    });
    const account = [...cloud.resources].find(([, type]) => type === "account")?.[0] ?? "";
    const vault = [...cloud.resources].find(([, type]) => type === "vault")?.[0] ?? "";
    expect(Object.fromEntries(cloud.variables)).toEqual({
      AZURE_CLIENT_ID: clientId,
      AZURE_TENANT_ID: TENANT,
      AZURE_SUBSCRIPTION_ID: SUBSCRIPTION,
      PULUMI_BACKEND_URL: `azblob://state?storage_account=${account}`,
      PULUMI_SECRETS_PROVIDER: `azurekeyvault://${vault}.vault.azure.net/keys/pulumi`,
    });
    expect(cloud.resources.get("state")).toBe("container");
    expect(cloud.resources.get("pulumi")).toBe("key");
    expect(
      [...cloud.roles].map((role) => role.replace(/ on .*\/providers\/\S+?\/\w+\/\S+/, " on its own")).toSorted(),
    ).toEqual([
      `Contributor on /subscriptions/${SUBSCRIPTION} for 00000000-0000-4000-8000-0000000000c2`,
      "Key Vault Crypto User on its own for 00000000-0000-4000-8000-0000000000c2",
      "Key Vault Crypto User on its own for me",
      "Storage Blob Data Contributor on its own for 00000000-0000-4000-8000-0000000000c2",
      "Storage Blob Data Contributor on its own for me",
      `User Access Administrator on /subscriptions/${SUBSCRIPTION} for 00000000-0000-4000-8000-0000000000c2`,
    ]);
    expect(cloud.graphPermissions.size).toBe(2);
    const documented = (await readFile(join(ROOT, "docs/deploy.md"), "utf8")).match(/Microsoft\.\w+(?=[,.])/g);
    expect(cloud.providers).toEqual(new Set(documented));
  });

  it("github-deployer.sh sets reviewers before Azure trusts GitHub, and stops if there are none", async () => {
    await using cloud = await fakeAzAndGh();
    cloud.hasReviewers = false;
    await expect(setUp(cloud)).rejects.toThrow(/preview has no required reviewers/);
    expect(cloud.changes).toEqual(["gh api repos/acme/jobs/environments/preview PUT"]);
  });

  it("github-deployer.sh changes nothing when it runs again, and corrects a subject that names another repository", async () => {
    await using cloud = await fakeAzAndGh();
    await setUp(cloud);
    cloud.changes.length = 0;
    await setUp(cloud);
    expect(cloud.changes).toEqual(AGAIN);

    const { subjects } = [...cloud.applications.values()][0]!;
    subjects.set("prod", "repo:acme/jobs:pull_request");
    cloud.changes.length = 0;
    await setUp(cloud);
    expect(cloud.changes).toEqual(["az ad app federated-credential update", ...AGAIN]);
    expect(subjects.get("prod")).toBe("repo:acme/jobs:environment:prod");
  });

  it("github-deployer.sh prints the same commands with --dry-run, and runs none of them", async () => {
    await using cloud = await fakeAzAndGh();
    const commands = (printed: string): readonly string[] =>
      printed.split("\n").flatMap((line) => /^\+ ((?:az|gh)(?: [a-z]\S*)*)/.exec(line)?.[1] ?? []);
    const planned = commands(await setUp(cloud, "--dry-run"));
    expect(cloud.changes).toEqual([]);
    expect(planned.length).toBeGreaterThan(25);
    expect(commands(await setUp(cloud))).toEqual(planned);
    expect(commands(await setUp(cloud, "--dry-run")).map((command) => command.replace(" --method", ""))).toHaveLength(
      3,
    );
  });

  it("github-deployer.sh assigns no rights in Entra ID with --no-graph", async () => {
    await using cloud = await fakeAzAndGh();
    await setUp(cloud, "--no-graph");
    expect(cloud.graphPermissions.size).toBe(0);
  });

  it.each([[["--repo", "acme"]], [["--repo", "acme/jobs:ref"]], [["--colour"]], [["--location"]]])(
    "github-deployer.sh refuses %j and calls no other program",
    async (more) => {
      await using cloud = await fakeAzAndGh();
      await expect(setUp(cloud, ...more)).rejects.toMatchObject({ code: 2 });
      expect(cloud.changes).toEqual([]);
    },
  );

  it.skipIf(!hasProgram("shellcheck", "--version"))(
    "github-deployer.sh passes shellcheck (needs shellcheck)",
    async () => {
      await run("shellcheck", [SCRIPT]);
    },
  );
});
