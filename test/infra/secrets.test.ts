import { describe, expect, it } from "vitest";
import { SETTING } from "../../runtime/core/settings/names.ts";
import { mockedStack } from "../support/infra/mocked-stack.ts";

type Json = Record<string, unknown>;

const ASSIGNMENT = "azure-native:authorization:RoleAssignment";
const SUBNET = "azure-native:network:Subnet";

describe.each(["dev", "prod"])("stack %s", (name) => {
  it("secrets are in a vault that knows only roles, and only the stack's network reaches it", async () => {
    const stack = await mockedStack(name);
    const { properties } = stack.named("jobyard-secrets") as { readonly properties: Json };
    expect(properties).toMatchObject({
      enableRbacAuthorization: true,
      enableSoftDelete: true,
      networkAcls: { defaultAction: "Deny", ipRules: [] },
    });
    expect(properties["accessPolicies"]).toBeUndefined();
    // Never false: Azure does not take it back.
    expect(properties["enablePurgeProtection"]).toBe(name === "prod" ? true : undefined);
    const { virtualNetworkRules } = properties["networkAcls"] as { readonly virtualNetworkRules: readonly unknown[] };
    expect(virtualNetworkRules).toHaveLength(stack.ofType(SUBNET).length);
    for (const { inputs } of stack.ofType(SUBNET)) {
      expect(inputs["serviceEndpoints"]).toContainEqual({ service: "Microsoft.KeyVault" });
    }
    expect(JSON.stringify(stack.named("jobyard-api-host"))).toMatch(
      /"https:\/\/jobyard-secrets[^/"]*\.vault\.azure\.net"/,
    );
  });
});

describe("an identity for jobs", () => {
  it("is created without a role, attached to its pool's machines only, and known to their workers only", async () => {
    const stack = await mockedStack("dev", {
      pools: { provisioning: { subnet: 1, jobIdentity: true }, plain: { subnet: 2 } },
    });
    const identities = stack.ofType("azure-native:managedidentity:UserAssignedIdentity").map((one) => one.name);
    expect(identities.filter((name) => name.startsWith("jobs-"))).toEqual(["jobs-provisioning-identity"]);
    const machines = (pool: string) => stack.named(`pool-${pool}-workers`) as Json;
    const attached = (pool: string) =>
      (machines(pool)["identity"] as { readonly userAssignedIdentities: readonly string[] }).userAssignedIdentities;
    expect(attached("provisioning")).toHaveLength(2);
    expect(attached("plain")).toHaveLength(1);
    const bootOf = (pool: string): string => {
      const profile = machines(pool)["virtualMachineProfile"] as {
        readonly osProfile: { readonly customData: string };
      };
      return Buffer.from(profile.osProfile.customData, "base64").toString();
    };
    expect(bootOf("provisioning")).toContain(SETTING.jobIdentity);
    expect(bootOf("plain")).not.toContain(SETTING.jobIdentity);
    const roles = stack.ofType(ASSIGNMENT).map((assignment) => assignment.name);
    expect(roles.filter((name) => name.startsWith("jobs-"))).toEqual([]);
  });
});
