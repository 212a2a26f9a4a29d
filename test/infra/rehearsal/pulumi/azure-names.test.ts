import { describe, expect, it } from "vitest";
import { autoName, resourceId, SUBSCRIPTION_ID } from "../../../../infra/rehearsal/pulumi/azure-names.ts";

const GROUP = `/subscriptions/${SUBSCRIPTION_ID}/resourceGroups/group`;

describe("names that Pulumi makes up", () => {
  it("a generated name is the logical name and eight digits, the same each time", () => {
    const name = autoName("web:WebApp", "api", {});
    expect(name).toEqual({ name: expect.stringMatching(/^api[0-9a-f]{8}$/) as string });
    expect(autoName("web:WebApp", "api", {})).toEqual(name);
    expect(autoName("web:WebApp", "other", {})).not.toEqual(name);
  });

  it("a generated name differs if the first is taken", () => {
    const { name } = autoName("web:WebApp", "api", {}) ?? {};
    const other = autoName("web:WebApp", "api", {}, (made) => made === name);
    expect(other).toEqual({ name: expect.stringMatching(/^api[0-9a-f]{8}$/) as string });
    expect(other).not.toEqual({ name });
  });

  it("a generated name has lower-case letters and digits for a storage account of any length, and is a GUID for roles", () => {
    const account = autoName("storage:StorageAccount", "A-rather-long-account-name", {});
    expect(account).toEqual({ accountName: expect.stringMatching(/^aratherlongaccountname[0-9a-f]{8}$/) as string });
    const role = autoName("authorization:RoleAssignment", "reader", {});
    expect(role?.["roleAssignmentName"]).toMatch(/^[0-9a-f]{8}-0[0-9a-f]{3}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("no name is generated if the program gives one, or if Pulumi generates none", () => {
    expect(autoName("web:WebApp", "api", { name: "mine" })).toBeUndefined();
    expect(autoName("storage:Table", "jobs", {})).toBeUndefined();
    expect(autoName("servicebus:DefaultRule", "all", {})).toBeUndefined();
  });
});

describe("ids", () => {
  it("an id begins at the resource group, or at the scope", () => {
    expect(resourceId("resources:ResourceGroup", { resourceGroupName: "group" })).toBe(GROUP);
    const table = { resourceGroupName: "group", accountName: "data", tableName: "jobs" };
    const tableId = `${GROUP}/providers/Microsoft.Storage/storageAccounts/data/tableServices/default/tables/jobs`;
    expect(resourceId("storage:Table", table)).toBe(tableId);
    expect(resourceId("authorization:RoleAssignment", { scope: tableId, roleAssignmentName: "one" })).toBe(
      `${tableId}/providers/Microsoft.Authorization/roleAssignments/one`,
    );
  });

  it("an id is refused for an unknown type, and for a missing part", () => {
    expect(() => resourceId("cache:Redis", {})).toThrow("does not know the type cache:Redis");
    expect(() => resourceId("storage:Table", { resourceGroupName: "group", accountName: "data" })).toThrow(RangeError);
  });
});
