/** The contract of core/ports/action-store.ts. */
import { describe, expect, it } from "vitest";
import { actionCells, actionOf as actionIn } from "../../../runtime/azure/tables/action-store.ts";
import { InvalidRequestError } from "../../../runtime/core/errors.ts";
import type { JobAction } from "../../../runtime/core/job/action.ts";
import { UnreadableError } from "../../../runtime/core/errors.ts";
import { actionOf } from "../../support/builders.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const EVERY_FIELD: Required<JobAction["filter"]> = {
  ...{ state: ["failed", "canceled"], delayed: true, jobType: "Echo", jobProcessorPackageName: "echo.zip", tag: "a" },
  ...{ batchId: "acme.b", text: 'it\'s 100% "so"' },
  ...{ since: new Date("2026-03-01T08:00:00.125Z"), until: new Date("2026-03-02T08:00:00Z") },
};

describe.each(BACKINGS)("over $name", ({ start }) => {
  const { actions } = start()();

  it("an action is read as it was started, and is found as running until it is forgotten", async () => {
    const action = actionOf({ tenantName: freshTenant(), filter: EVERY_FIELD });
    await actions.start(action);
    await actions.start(action);
    expect((await actions.get(action.actionId))?.value).toEqual(action);
    expect(await actions.running()).toContain(action.actionId);
    await actions.forgetRunning(action.actionId);
    await actions.forgetRunning(action.actionId);
    expect(await actions.running()).not.toContain(action.actionId);
    expect(await actions.get("nonsense/../id")).toBeUndefined();
    expect(await actions.get(actionOf({ tenantName: action.tenantName }).actionId)).toBeUndefined();
  });

  it("only one of two writers changes a version, and fields that it does not name stay", async () => {
    const action = actionOf({ tenantName: freshTenant() });
    await actions.start(action);
    const { etag } = (await actions.get(action.actionId))!;
    const counts = { matched: 3, done: 1, refused: 1, failed: 1 };
    expect(await actions.update(action.actionId, etag, { counts, position: "p" })).toBe(true);
    expect(await actions.update(action.actionId, etag, { cancelWanted: true })).toBe(false);
    expect((await actions.get(action.actionId))?.value).toEqual({ ...action, counts, position: "p" });
  });

  it("actions of a tenant are listed newest first, in pages", async () => {
    const tenantName = freshTenant();
    const made = [0, 1, 2].map(() => actionOf({ tenantName }));
    for (const action of [...made, actionOf({ tenantName: freshTenant() })]) await actions.start(action);
    const first = await actions.list(tenantName, { pageSize: 2, continuationToken: undefined });
    expect(first.items).toEqual([made[2], made[1]]);
    const { continuationToken } = first;
    expect((await actions.list(tenantName, { pageSize: 2, continuationToken })).items).toEqual([made[0]]);
    await expect(actions.list(freshTenant(), { pageSize: 2, continuationToken })).rejects.toThrow(InvalidRequestError);
  });
});

describe("an action of a later release", () => {
  it("with a filter by more than this one knows is left to others: it would mean more jobs here", () => {
    const action = actionOf();
    const row = { rowKey: action.actionId, etag: "", ...actionCells(action) };
    expect(actionIn(row)).toEqual(action);
    const filter = JSON.stringify({ tag: "a", colour: "red" });
    expect(() => actionIn({ ...row, filter })).toThrow(UnreadableError);
  });
});
