/** The contract of core/ports/audit-store.ts. */
import { describe, expect, it } from "vitest";
import type { AuditEntry, AuditFilter } from "../../../runtime/core/audit.ts";
import { InvalidRequestError } from "../../../runtime/core/errors.ts";
import { AUDIT_SCAN_MAX_COUNT } from "../../../runtime/core/limits.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const AT = Date.parse("2026-03-01T08:00:00.125Z");

const entryOf = (fields: Partial<AuditEntry>, number = 0): AuditEntry => ({
  ...{ tenantName: "acme", at: new Date(AT + number), entryId: number.toString(16).padStart(16, "0") },
  ...{
    operation: "putGrant",
    outcome: "done",
    code: undefined,
    actor: "Ada",
    actorId: undefined,
    actorKind: undefined,
  },
  ...{ from: "192.0.2.7", requestId: `r-${number}`, subject: {}, before: undefined, after: undefined },
  ...fields,
});

describe.each(BACKINGS)("over $name", ({ start }) => {
  const { audit } = start()();

  async function listed(tenantName: string | undefined, filter: AuditFilter = {}, pageSize = 100) {
    const items: AuditEntry[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await audit.list(tenantName, filter, { pageSize, continuationToken });
      expect(page.items.length).toBeLessThanOrEqual(pageSize);
      items.push(...page.items);
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined);
    return items;
  }

  it("an entry is kept as a whole, also when it is added twice", async () => {
    const tenantName = freshTenant();
    const facts = { access: "read", version: 2, secret: true };
    const actor = { actorId: "11111111-2222-4333-8444-555555555555", actorKind: "user" } as const;
    const entry = entryOf({
      tenantName,
      ...actor,
      outcome: "failed",
      code: "BusUnavailable",
      before: facts,
      after: {},
    });
    await audit.add(entry);
    await audit.add(entry);
    expect(await listed(tenantName)).toEqual([entry]);
  });

  it("lists newest first, in pages, each tenant alone", async () => {
    const [tenantName, other] = [freshTenant(), freshTenant()];
    const entries = Array.from({ length: 7 }, (_, number) => entryOf({ tenantName }, number));
    for (const entry of entries) await audit.add(entry);
    await audit.add(entryOf({ tenantName: other }));
    expect(await listed(tenantName, {}, 3)).toEqual(entries.toReversed());
    expect(await listed(other)).toHaveLength(1);
  });

  it("filters by time, caller and operation", async () => {
    const tenantName = freshTenant();
    const actorId = "11111111-2222-4333-8444-555555555555";
    const entries = [
      entryOf({ tenantName }, 0),
      entryOf({ tenantName, actor: "Bob", actorId }, 1),
      entryOf({ tenantName, operation: "putTenant" }, 2),
    ];
    for (const entry of entries) await audit.add(entry);
    const numbers = async (filter: AuditFilter) =>
      (await listed(tenantName, filter)).map(({ at }) => at.getTime() - AT);
    expect(await numbers({ since: new Date(AT + 1) })).toEqual([2, 1]);
    expect(await numbers({ actor: "ada" })).toEqual([2, 0]);
    expect(await numbers({ actor: actorId })).toEqual([1]);
    expect(await numbers({ operation: "putTenant", actor: "Ada" })).toEqual([2]);
    expect(await numbers({ operation: "putTenan" })).toEqual([]);
  });

  it("refuses a token that it did not make", async () => {
    const token = Buffer.from("1:0:../other").toString("base64url");
    const listing = audit.list(freshTenant(), {}, { pageSize: 1, continuationToken: token });
    await expect(listing).rejects.toThrow(InvalidRequestError);
  });

  it("entries of no tenant and of every tenant expire, and no younger ones", async () => {
    const tenants = [freshTenant(), undefined];
    for (const tenantName of tenants) {
      for (const number of [0, 1, 2]) await audit.add(entryOf({ tenantName, operation: "expires" }, number));
    }
    const before = new Date(AT + 1);
    let position: string | undefined;
    do ({ position } = await audit.removeExpired(before, position));
    while (position !== undefined);
    for (const tenantName of tenants) {
      const left = await listed(tenantName, { operation: "expires" });
      expect(left.map(({ at }) => at.getTime() - AT)).toEqual([2, 1]);
    }
  });
});

it("a filter that nothing passes ends after so many entries, with a token to go on", async () => {
  const { audit } = BACKINGS[0]!.start()();
  const count = AUDIT_SCAN_MAX_COUNT + 1;
  await Promise.all(Array.from({ length: count }, (_, number) => audit.add(entryOf({}, number))));
  const page = await audit.list("acme", { operation: "none" }, { pageSize: 1 });
  expect(page.items).toEqual([]);
  const { continuationToken } = page;
  expect(continuationToken).toBeDefined();
  expect(await audit.list("acme", { operation: "none" }, { pageSize: 1, continuationToken })).toEqual({
    items: [],
    continuationToken: undefined,
  });
});
