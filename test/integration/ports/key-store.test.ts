/** The contract of core/ports/key-store.ts. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { keysExpireBefore } from "../../../runtime/core/job/keys.ts";
import type { KeyWish } from "../../../runtime/core/ports/key-store.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const DAY_MS = 24 * 60 * 60_000;
const expired = (): Date => keysExpireBefore(new Date());

const wishOf = (key: string, fields: Partial<KeyWish> = {}): KeyWish => ({
  kind: "idempotency-key",
  key,
  id: `id-${randomUUID()}`,
  requestHash: "hash",
  createdAt: new Date(),
  ...fields,
});

const many = (count: number): readonly KeyWish[] => Array.from({ length: count }, (_, i) => wishOf(`key ${i}`));
const idsOf = (records: readonly { readonly id: string }[]): readonly string[] => records.map(({ id }) => id);

describe.each(BACKINGS)("over $name", ({ start }) => {
  const open = start();
  const { keys } = open();

  describe("keys", () => {
    it("keys return the ids that were stored first, in the requested order", async () => {
      const tenant = freshTenant();
      const first = many(150);
      const firstIds = idsOf(await keys.reserve(tenant, first, expired()));
      expect(firstIds).toEqual(idsOf(first));
      const second = many(250);
      const records = await keys.reserve(tenant, second, expired());
      expect(idsOf(records)).toEqual([...firstIds, ...idsOf(second.slice(150))]);
      const found = await keys.find(tenant, [...second, { kind: "job-id", key: "key 0" }], expired());
      expect(found.map((record) => record?.id)).toEqual([...idsOf(records), undefined]);
    });

    it("keys can have any characters, and each tenant has its own", async () => {
      const [one, other] = [freshTenant(), freshTenant()];
      const strange = [wishOf("a/b\\c#d?e%2f"), wishOf("a\nb"), wishOf("'quoted'"), wishOf("x".repeat(255))];
      await keys.reserve(one, strange, expired());
      expect(idsOf((await keys.find(one, strange, expired())).filter((record) => record !== undefined))).toEqual(
        idsOf(strange),
      );
      expect(await keys.find(other, strange, expired())).toEqual(strange.map(() => undefined));
    });

    it("concurrent reservations of a key get the same id", async () => {
      const tenant = freshTenant();
      const answers = await Promise.all(Array.from({ length: 12 }, () => keys.reserve(tenant, many(120), expired())));
      const [first = []] = answers;
      for (const answer of answers) expect(idsOf(answer)).toEqual(idsOf(first));
    });

    it("an expired key is assigned to a new id once", async () => {
      const tenant = freshTenant();
      const old = { createdAt: new Date(Date.now() - 8 * DAY_MS) };
      const jobId = wishOf("j", { ...old, kind: "job-id" });
      await keys.reserve(tenant, [wishOf("old", old), wishOf("young"), jobId], new Date(0));
      expect(await keys.find(tenant, [wishOf("old")], expired())).toEqual([undefined]);
      const again = () => keys.reserve(tenant, [wishOf("old"), wishOf("j", { kind: "job-id" })], expired());
      const answers = await Promise.all([again(), again(), again()]);
      expect(new Set(answers.map(([record]) => record!.id)).size).toBe(1);
      for (const [, ofJob] of answers) expect(ofJob!.id).toBe(jobId.id);
    });

    it("keys keep every field, and the first of two concurrent requests", async () => {
      const tenant = freshTenant();
      const wish = wishOf("k", { requestHash: "ü'\u2028", createdAt: new Date("2030-01-02T03:04:05.678Z") });
      const { key: _, ...record } = wish;
      const [own] = await keys.reserve(tenant, [wish], new Date(0));
      expect(own).toMatchObject(record);
      expect(await keys.find(tenant, [wish], new Date(0))).toEqual([record]);
      const { keys: others } = open();
      expect(await others.reserve(tenant, [wishOf("k"), wishOf("l")], new Date(0))).toMatchObject([
        record,
        { kind: record.kind },
      ]);
    });

    it("reserving no keys sends no request", async () => {
      expect(await keys.find(freshTenant(), [], expired())).toEqual([]);
      expect(await keys.reserve(freshTenant(), [], expired())).toEqual([]);
    });
  });

  describe("removing expired keys", () => {
    it("removing expired keys removes those of all tenants, page by page, and keeps young keys and job ids", async () => {
      const tenants = [freshTenant(), freshTenant()];
      const createdAt = new Date(Date.now() - 8 * DAY_MS);
      const wishes = [
        ...Array.from({ length: 30 }, (_, i) => wishOf(`old ${i}`, { createdAt })),
        ...[wishOf("young"), wishOf("job", { kind: "job-id", createdAt })],
      ];
      for (const tenant of tenants) await keys.reserve(tenant, wishes, new Date(0));
      let removed = 0;
      for (let token: string | undefined, parts = 0; parts === 0 || token !== undefined; parts++) {
        const part = await keys.removeExpired(expired(), token);
        removed += part.removed;
        token = part.continuationToken;
      }
      expect(removed).toBeGreaterThanOrEqual(60);
      for (const tenant of tenants) {
        const left = await keys.find(tenant, wishes, new Date(0));
        expect(left.map((record) => record !== undefined)).toEqual([...Array<boolean>(30).fill(false), true, true]);
      }
    });
  });
});
