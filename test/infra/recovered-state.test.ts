/** Tests how `npm run recover` repairs the state that a killed engine leaves. */
import { describe, expect, it } from "vitest";
import { recoveredState, recoveryLines, type StackState } from "../../infra/tools/recovered-state.ts";

const GROUP = "/subscriptions/5b/resourceGroups/jobyard-dev1";
const TABLE = "azure-native:storage:Table";
const urn = (type: string, name: string): string => `urn:pulumi:dev::jobyard::${type}::${name}`;
const tableInputs = (tableName: string) => ({ resourceGroupName: "jobyard-dev1", accountName: "data1", tableName });
const tableId = (name: string): string =>
  `${GROUP}/providers/Microsoft.Storage/storageAccounts/data1/tableServices/default/tables/${name}`;
const creating = (type: string, name: string, inputs: Record<string, unknown>) => ({
  type: "creating",
  resource: { urn: urn(type, name), custom: true, type, inputs, parent: "urn:parent" },
});
const group = { urn: urn("azure-native:resources:ResourceGroup", "group"), type: "x", id: GROUP };
const state = (...pending: readonly ReturnType<typeof creating>[]): StackState => ({
  version: 3,
  deployment: { manifest: { magic: "m" }, resources: [group], pending_operations: [...pending] },
});

describe("the recovered state", () => {
  it("the recovered state has the started resources, with ids that follow from their inputs, and no pending operation", () => {
    const site = creating("azure-native:web:WebApp", "api", { resourceGroupName: "jobyard-dev1", name: "api0a1b" });
    const given = state(creating(TABLE, "jobs", tableInputs("jobs")), site);
    const recovered = recoveredState(given);
    expect(recovered.state).toEqual({
      version: 3,
      deployment: {
        manifest: { magic: "m" },
        resources: [
          group,
          { ...given.deployment.pending_operations?.[0]?.resource, id: tableId("jobs"), outputs: {} },
          // The inputs contain the name that the engine generated.
          { ...site.resource, id: `${GROUP}/providers/Microsoft.Web/sites/api0a1b`, outputs: {} },
        ],
      },
    });
    expect(recovered.added).toHaveLength(2);
  });

  it("the recovered state has no resource twice: neither a recorded one, nor one that was started twice", () => {
    const one = creating(TABLE, "jobs", tableInputs("jobs"));
    const given = state(one, one);
    given.deployment.resources?.push({ urn: one.resource.urn, type: TABLE, id: tableId("jobs").toUpperCase() });
    expect(recoveredState(given).added).toEqual([]);
    expect(recoveredState(state(one, one)).added).toEqual([tableId("jobs")]);
  });

  it("a resource that a later deployment created under another name is reported, not recorded", () => {
    const inputs = (accountName: string) => ({ resourceGroupName: "jobyard-dev1", accountName });
    const account = (name: string) => creating("azure-native:storage:StorageAccount", "data", inputs(name));
    const id = (name: string): string => `${GROUP}/providers/Microsoft.Storage/storageAccounts/${name}`;
    const given = state(account("data1"));
    given.deployment.resources?.push({ ...account("data2").resource, id: id("data2") });
    const recovered = recoveredState(given);
    expect(recovered).toMatchObject({ added: [], doubles: [id("data1")] });
    expect(recoveryLines(recovered).join("\n")).toContain(`az resource delete --ids ${id("data1")}`);
    expect(recoveredState(state(account("data1"), account("data2")))).toMatchObject({
      added: [id("data1")],
      doubles: [id("data2")],
    });
  });

  it("the recovered state ignores pending updates and deletions, whose resource is recorded", () => {
    const updating = { ...creating(TABLE, "jobs", tableInputs("jobs")), type: "updating" };
    expect(recoveredState(state(updating))).toMatchObject({ added: [], unknown: [], blobs: [] });
  });

  it("recover reports resources that need a person, a command or Entra ID", () => {
    const recovered = recoveredState(
      state(
        creating("azure-native:storage:Blob", "release-api", {
          ...{ resourceGroupName: "jobyard-dev1", accountName: "rel1", containerName: "releases" },
          blobName: "api/0f.zip",
        }),
        creating("azuread:index/application:Application", "entra-api", { displayName: "Jobyard (dev)" }),
        creating(TABLE, "jobs", { ...tableInputs("jobs"), accountName: { secret: "…" } }),
      ),
    );
    expect(recovered.added).toEqual([]);
    const lines = recoveryLines(recovered).join("\n");
    expect(lines).toContain("az storage blob delete --account-name rel1 --container-name releases --name api/0f.zip");
    expect(lines).toContain("azuread:index/application:Application::entra-api");
    expect(lines).toContain(`${TABLE}::jobs`);
  });

  it("recover needs the subscription if no Azure resource is recorded", () => {
    const only = {
      deployment: {
        pending_operations: state(creating(TABLE, "jobs", tableInputs("jobs"))).deployment.pending_operations,
      },
    };
    expect(recoveredState(only).added).toEqual([]);
    expect(recoveredState(only, "5b").added).toEqual([tableId("jobs")]);
  });
});
