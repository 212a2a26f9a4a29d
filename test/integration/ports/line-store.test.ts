import { describe, expect, it } from "vitest";
import type { LineName } from "../../../runtime/core/admission/limit.ts";
import { NEW_LINE } from "../../../runtime/core/admission/limit.ts";
import { createAzureStores } from "../../support/stores/azure-stores.ts";
import { createMemoryStores } from "../../support/stores/memory-stores.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

describe.each([
  ["in memory", createMemoryStores],
  ["in Azure tables", createAzureStores],
])("lines %s", (_, createStores) => {
  const { lines } = createStores();
  const nameOf = (key: string): LineName => ({ tenantName: freshTenant(), jobType: "a/b#?", kind: "concurrency", key });
  const place = (ticket: number, waits = false) => ({ ticket, jobId: `job-${ticket}`, ring: 1, waits });

  it("keep places in the order of their tickets, and find them by job and ring", async () => {
    const name = nameOf("customer/7");
    expect(await lines.read(name, 5)).toEqual({ head: undefined, places: [], isWhole: true });
    for (const ticket of [9, 10, 11]) {
      const { head } = await lines.read(name, 0);
      const next = { ...NEW_LINE, max: 2, nextTicket: ticket + 1 };
      expect(await lines.write(name, { head: next, etag: head?.etag, join: place(ticket, ticket > 10) })).toBe(true);
    }
    const page = await lines.read(name, 2);
    expect(page).toMatchObject({ head: { value: { max: 2, nextTicket: 12 } }, isWhole: false });
    expect(page.places).toEqual([place(9), place(10)]);
    expect((await lines.read(name, 3)).places).toEqual([place(9), place(10), place(11, true)]);
    expect(await lines.placeOf(name, "job-11", 1)).toEqual(place(11, true));
    expect(await lines.placeOf(name, "job-11", 2)).toBeUndefined();
  });

  it("refuse a write on another version, or of a place that is there, as a whole", async () => {
    const name = nameOf("k");
    expect(await lines.write(name, { head: NEW_LINE, etag: undefined, join: place(1) })).toBe(true);
    expect(await lines.write(name, { head: NEW_LINE, etag: undefined, join: place(2) })).toBe(false);
    const { head } = await lines.read(name, 9);
    expect(await lines.write(name, { head: NEW_LINE, etag: head?.etag, join: place(1) })).toBe(false);
    expect(await lines.write(name, { head: NEW_LINE, etag: head?.etag, join: place(2), remove: [place(5)] })).toBe(
      false,
    );
    expect(await lines.write(name, { head: NEW_LINE, etag: head?.etag, join: place(2), remove: [place(1)] })).toBe(
      true,
    );
    expect((await lines.read(name, 9)).places).toEqual([place(2)]);
    await lines.remove(name, [place(2)]);
    await lines.remove(name, [place(2)]);
    expect(await lines.read(name, 9)).toMatchObject({ head: { value: NEW_LINE }, places: [], isWhole: true });
    expect(await lines.placeOf(name, "job-2", 1)).toBeUndefined();
  });

  it("are found by their rows, and removed on their version only", async () => {
    const names = [nameOf("customer/7"), { ...nameOf("*"), kind: "tenant" as const, jobType: "" }];
    for (const name of names) await lines.write(name, { head: NEW_LINE, etag: undefined, join: place(1) });
    const found = async () => {
      const all = [];
      let continuationToken: string | undefined;
      do {
        const page = await lines.find(2, continuationToken);
        all.push(...page.lines);
        ({ continuationToken } = page);
      } while (continuationToken !== undefined);
      return all.filter(({ name }) => names.some(({ tenantName }) => tenantName === name.tenantName));
    };
    const byTenant = (a: { name: LineName }, b: { name: LineName }) => (a.name.tenantName < b.name.tenantName ? -1 : 1);
    const [first, second] = (await found()).toSorted(byTenant);
    expect([first!.name, second!.name]).toEqual(names.toSorted((a, b) => byTenant({ name: a }, { name: b })));
    const { name, head } = first!;
    expect(await lines.write(name, { head: { ...NEW_LINE, max: 2 }, etag: head.etag })).toBe(true);
    expect(await lines.removeHead(name, head.etag)).toBe(false);
    expect(await lines.removeHead(second!.name, second!.head.etag)).toBe(true);
    expect(await lines.removeHead(second!.name, second!.head.etag)).toBe(false);
    expect(await found()).toMatchObject([{ name, head: { value: { max: 2 } } }]);
  });

  it("keep the times of a rate", async () => {
    const name = { ...nameOf("k"), kind: "rate" as const };
    const head = { ...NEW_LINE, taken: [[1_700_000_000_010, 3]] as const };
    expect(await lines.write(name, { head, etag: undefined })).toBe(true);
    expect((await lines.read(name, 0)).head?.value).toEqual(head);
  });
});
