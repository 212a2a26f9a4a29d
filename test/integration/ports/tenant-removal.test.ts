/** What core/ports/removal.ts promises of a whole tenant. The neighbours' names begin and end like the tenant's. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isIn, tenantRows } from "../../../runtime/azure/tables/tenant-rows.ts";
import type { RowKeys } from "../../../runtime/azure/tables/rows.ts";
import { TENANT_NAME_PATTERN } from "../../../runtime/core/job/ids.ts";
import type { TenantRowKind } from "../../../runtime/core/ports/removal.ts";
import { artifactContent } from "../../support/api/artifact-content.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import type { TableName } from "../../support/stores/memory-stores.ts";
import { claimRow, endRow } from "../../support/stores/row-moves.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

type Kept = readonly [TableName, (tenantName: string) => RowKeys];

const at = (partitionKey: string, rowKey: string): RowKeys => ({ partitionKey, rowKey });

/**
 * Keys as docs/tables.md gives them, written down a second time. Without those that other tests find in whole tables: these
 * rows have no cells that can be read.
 */
const ROWS: Readonly<Record<TenantRowKind, readonly Kept[]>> = {
  jobs: [["jobs", (t) => at(`${t}.0000000000aaaaaaaa.00`, `${t}.0000000000aaaaaaaa.00.0000000000aaaaaaaa`)]],
  counters: [["jobs", (t) => at(`${t}.0000000000aaaaaaaa.00`, "~writer")]],
  batches: [["batches", (t) => at(t, `${t}.0000000000aaaaaaaa`)]],
  keys: [["keys", (t) => at(t, "0f".repeat(32))]],
  index: [
    ["index", (t) => at(`${t}.succeeded`, `0000000000.${t}.0000000000aaaaaaaa.00.0000000000aaaaaaaa`)],
    ["index", (t) => at(`${t}.tags`, `a!0000000000.${t}.0000000000aaaaaaaa.00.0000000000aaaaaaaa`)],
  ],
  limits: [["gates", (t) => at(`${t}.0f0f`, "0001")]],
  timers: [["timers", (t) => at(t, "~aaaaaaaa")]],
  actions: [
    ["actions", (t) => at(t, `${t}.0000000000aaaaaaaa`)],
    ["actions", (t) => at("~running", `${t}.0000000000aaaaaaaa`)],
  ],
  webhooks: [["webhooks", (t) => at(t, "billing")]],
  deliveries: [
    ["webhooks", (t) => at(`${t}.id`, "0000")],
    ["webhooks", (t) => at("~waiting", `${t}.id.0000`)],
  ],
};
const KINDS = Object.keys(ROWS) as TenantRowKind[];

const neighboursOf = (tenantName: string): readonly string[] => [
  `${tenantName}-eu`,
  `${tenantName}0`,
  `${tenantName}z`,
  tenantName.slice(0, -1),
  `a${tenantName}`,
];

describe.each(BACKINGS)("over $name", ({ start }) => {
  const { removal, rows, jobs, batches, files, packages } = start()();

  it.each(KINDS)("removes a tenant's rows of kind %s, and no other rows of it or of its neighbours", async (kind) => {
    const tenantName = freshTenant();
    const all = KINDS.flatMap((one) => ROWS[one]);
    for (const name of [tenantName, ...neighboursOf(tenantName)]) {
      for (const [table, keysOf] of all) await rows.merge(table, keysOf(name), { atRest: true });
    }
    const isLeft = async (name: string, [table, keysOf]: Kept) => (await rows.get(table, keysOf(name))) !== undefined;
    let removed = 0;
    for (let count = await removal.rows(tenantName, kind); count > 0; count = await removal.rows(tenantName, kind)) {
      removed += count;
    }
    expect(removed).toBe(ROWS[kind].length);
    for (const name of [tenantName, ...neighboursOf(tenantName)]) {
      for (const kept of all) {
        expect(await isLeft(name, kept), `${name}: ${kept[0]}`).toBe(name !== tenantName || !ROWS[kind].includes(kept));
      }
    }
  });

  it("finds the open jobs of a tenant in every partition, without their batch too", async () => {
    const tenantName = freshTenant();
    const open: string[] = [];
    for (const name of [tenantName, ...neighboursOf(tenantName)]) {
      const batch = await batches.create(batchOf({ tenantName: name, shardCount: 2 }));
      const made = [0, 1, 2].map(() => jobOf({}, batch));
      for (const job of made) await jobs.insert(job);
      const [, running = "", ended = ""] = made.map(({ jobId }) => jobId);
      await claimRow(jobs, running);
      await claimRow(jobs, ended);
      await endRow(jobs, ended, "succeeded");
      if (name !== tenantName) continue;
      open.push(...made.map(({ jobId }) => jobId).filter((jobId) => jobId !== ended));
      const lost = jobOf({}, batchOf({ tenantName }));
      await jobs.insert(lost);
      open.push(lost.jobId);
    }
    const found: string[] = [];
    let from: string | undefined;
    do {
      const part = await removal.openJobs(tenantName, { from });
      found.push(...part.items.map(({ value }) => value.jobId));
      from = part.next;
    } while (from !== undefined);
    expect(found.toSorted()).toEqual(open.toSorted());
  });

  it("removes a tenant's packages with all versions, and the blobs of its jobs, but not its neighbours'", async () => {
    const tenantName = freshTenant();
    const neighbours = neighboursOf(tenantName);
    const jobOfName = new Map<string, string>();
    for (const name of [tenantName, ...neighbours]) {
      const { jobId } = jobOf({}, batchOf({ tenantName: name }));
      jobOfName.set(name, jobId);
      await packages.upload(name, "a.zip", Buffer.from("one"));
      await packages.upload(name, "a.zip", Buffer.from("two"));
      await files.putArtifact(jobId, "claim", "report.txt", artifactContent("a report"));
      await files.appendLog(jobId, "claim", Buffer.from("line\n"));
      await files.putParameters(jobId, "{}");
    }
    let blobs = 0;
    for (let count = 2; count === 2; blobs += count) count = await removal.blobs({ tenantName }, 2);
    let zips = 0;
    for (let count = 1; count > 0; zips += count) count = await removal.packages(tenantName, 1);
    expect([blobs, zips]).toEqual([3, 1]);
    for (const [name, jobId] of jobOfName) {
      const left = [
        await packages.get(name, "a.zip"),
        await files.openArtifact(jobId, "claim", "report.txt"),
        await files.openLog(jobId, "claim"),
        await files.getParameters(jobId),
      ];
      expect(left.map((one) => one !== undefined)).toEqual(left.map(() => name !== tenantName));
    }
    expect(await packages.versions(tenantName, "a.zip")).toEqual([]);
  });
});

describe("the ranges of keys", () => {
  const name = fc.stringMatching(/^[a-z0-9-]{1,8}$/).filter((text) => TENANT_NAME_PATTERN.test(text));
  /** Mostly with a common beginning. */
  const pair = fc
    .tuple(name, fc.oneof(name, fc.constant("")), name)
    .map(([a, more, other]) => [a, more === "" ? other : `${a}${more}`] as const)
    .filter(([a, b]) => a !== b);

  it("contain no key of another tenant", () => {
    fc.assert(
      fc.property(pair, fc.constantFrom(...KINDS), ([mine, theirs], kind) => {
        const ranges = tenantRows(kind, mine);
        const contains = (tenantName: string): readonly boolean[] =>
          ROWS[kind].map(([table, keysOf]) =>
            ranges.some((range) => range.table === table && isIn(range, keysOf(tenantName))),
          );
        expect(contains(mine)).not.toContain(false);
        expect(contains(theirs)).not.toContain(true);
      }),
    );
  });

  it("are refused for what is not the name of a tenant", () => {
    for (const text of ["", "~running", "a.b", "a/", "A"])
      expect(() => tenantRows("jobs", text)).toThrow("Not a tenant");
  });
});
