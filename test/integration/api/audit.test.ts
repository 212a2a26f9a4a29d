/** The audit as tenants and administrators read it. That each operation leaves an entry is in contract.test.ts. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { createGrantsCache } from "../../../runtime/api/auth/grants-cache.ts";
import { createIdentify } from "../../../runtime/api/auth/identify.ts";
import type { AuditEntryView } from "../../../runtime/client/index.ts";
import type { AppRole } from "../../../runtime/core/http/access.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { AUDIT_REFUSALS_PER_MINUTE } from "../../../runtime/core/limits.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { createRecordedMetrics } from "../../support/recorded-metrics.ts";
import { startTestApi } from "../../support/api/test-api.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import { apiStores } from "../../support/stores/api-stores.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const SECRET = "hunter2-Aa0!";
const stores = await apiStores();
const said: string[] = [];
const say = (fields: unknown, message: string): void => void said.push(`${message} ${JSON.stringify(fields)}`);
const log = { info: say, warn: say, error: say, child: () => log };
const recorded = createRecordedMetrics();
let auditFault: Error | undefined;
let tenantFault: Error | undefined;

/** The authorization header is the caller: `Bearer {role} {objectId}`. */
const identify = createIdentify({
  verify({ headers: { authorization = "" } }) {
    const [, role, principalId = ""] = authorization.split(" ");
    const roles = [role as AppRole];
    return Promise.resolve({
      kind: "user",
      principalId,
      name: `name of ${role}`,
      roles,
      directoryId: "d",
      expiresAt: Infinity,
    });
  },
  grants: createGrantsCache({ store: stores.tenants, monotonicNow: () => 0 }),
});
const api = await startTestApi(letterQueue().queue, {
  ...{ identify, stores, log, metrics: recorded.metrics, traffic: { proxyHops: 1 } },
  wrapAudit: (audit) => ({
    ...audit,
    add: (entry) => (auditFault === undefined ? audit.add(entry) : Promise.reject(auditFault)),
  }),
  wrapTenants: (tenants) => ({
    ...tenants,
    putGrant: (grant) => (tenantFault === undefined ? tenants.putGrant(grant) : Promise.reject(tenantFault)),
  }),
});
afterAll(() => api[Symbol.asyncDispose]());

interface Person {
  readonly role: AppRole;
  readonly principalId: string;
}

const ADMIN: Person = { role: "Jobs.Admin", principalId: randomUUID() };
let manager: Person;
let tenantName: string;
let tenant: string;

async function ask({ role, principalId }: Person, method: string, path: string, body?: unknown, type?: string) {
  const answer = await fetch(`${api.url}/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${role} ${principalId}`,
      "x-forwarded-for": "198.51.100.9:4711",
      ...(body !== undefined && { "content-type": type ?? "application/json" }),
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  api.contract.check(method, `/v1${path}`, {
    headers: answer.headers,
    status: answer.status,
    text,
    byteCount: Buffer.byteLength(text),
  });
  return { status: answer.status, text, requestId: answer.headers.get("x-request-id") };
}

async function entries(path: string, who: Person = ADMIN): Promise<readonly AuditEntryView[]> {
  const { text } = await ask(who, "GET", path);
  return (JSON.parse(text) as { readonly items: readonly AuditEntryView[] }).items;
}

beforeEach(async () => {
  [auditFault, tenantFault] = [undefined, undefined];
  said.length = 0;
  tenantName = freshTenant();
  tenant = `/tenants/${tenantName}`;
  await ask(ADMIN, "PUT", tenant);
  manager = { role: "Jobs.Submit", principalId: randomUUID() };
  await ask(ADMIN, "PUT", `${tenant}/grants/${manager.principalId}`, { access: "manage", name: "Ada" });
});

describe("an entry", () => {
  it("says who did what, from where, and how it was before and after", async () => {
    const grant = `${tenant}/grants/${randomUUID()}`;
    await ask(ADMIN, "PUT", grant, { access: "read", name: "Bob" });
    const { requestId } = await ask(ADMIN, "PUT", grant, { access: "submit", name: "Bob" });
    await ask(ADMIN, "DELETE", grant);
    const [removed, changed, granted] = await entries(`${tenant}/audit`);
    expect(changed).toEqual({
      ...{ at: expect.any(String) as string, tenantName, operation: "putGrant", outcome: "done", requestId },
      ...{ actor: "name of Jobs.Admin", actorId: ADMIN.principalId, actorKind: "user", from: "198.51.100.9" },
      subject: { tenantName, principalId: grant.split("/").at(-1) },
      before: { access: "read", name: "Bob" },
      after: { access: "submit", name: "Bob" },
    });
    expect(granted).not.toHaveProperty("before");
    expect(removed).toMatchObject({ operation: "deleteGrant", before: { access: "submit" } });
    expect(removed).not.toHaveProperty("after");
  });

  it("has no value of a setting, no parameters and no address of a webhook, in row, answer or log", async () => {
    const setting = `${tenant}/packages/mail.zip/settings/API_KEY`;
    const job = jobRequestOf(tenantName, { parameters: { key: SECRET }, jobName: SECRET });
    await ask(manager, "PUT", setting, { value: SECRET, secret: true });
    await ask(manager, "PUT", setting, { value: `${SECRET}2`, secret: false });
    await ask(manager, "DELETE", setting);
    await ask(manager, "PUT", `${tenant}/webhooks/chat`, { url: `https://example.com/${SECRET}?key=${SECRET}` });
    await ask(manager, "POST", "/jobs/bulk", { jobs: [job, { ...job, tenantName: "other" }, job] });
    const { text } = await ask(ADMIN, "GET", `${tenant}/audit`);
    expect(text).not.toContain(SECRET);
    expect(said.join("\n")).not.toContain(SECRET);
    const changes = (await entries(`${tenant}/audit`)).map(({ operation, before, after }) => [
      operation,
      before,
      after,
    ]);
    expect(changes.slice(0, 5)).toEqual([
      ["submitJobs", undefined, { submitted: 2 }],
      ["putWebhook", undefined, { origin: "https://example.com", events: "batchCompleted", enabled: true }],
      ["deleteSetting", { version: 2, secret: false }, undefined],
      ["putSetting", { version: 1 }, { version: 2, secret: false }],
      ["putSetting", { version: 0 }, { version: 1, secret: true }],
    ]);
  });

  it("stands for all lines of a streamed submit, and a single submit leaves none", async () => {
    const line = `${JSON.stringify(jobRequestOf(tenantName))}\n`;
    await ask(manager, "POST", "/jobs/bulk", line.repeat(3), "application/x-ndjson");
    await ask(manager, "POST", "/jobs", jobRequestOf(tenantName));
    const submits = await entries(`${tenant}/audit?actor=name%20of%20Jobs.Submit`);
    expect(submits.map(({ operation, after }) => [operation, after])).toEqual([["submitJobs", { submitted: 3 }]]);
  });

  it("of a change that met an error of the system says that it may have been made", async () => {
    tenantFault = new UnavailableError("StorageUnavailable", "The answer was lost.");
    const { status } = await ask(ADMIN, "PUT", `${tenant}/grants/${randomUUID()}`, { access: "read", name: "Bob" });
    expect(status).toBe(503);
    const [entry] = await entries(`${tenant}/audit`);
    expect(entry).toMatchObject({ operation: "putGrant", outcome: "failed", code: "StorageUnavailable" });
  });

  it("that cannot be written is in the log as a whole, is counted, and does not fail the change", async () => {
    auditFault = new UnavailableError("StorageUnavailable", "The table does not answer.");
    const before = await recorded.sum("jobyard.audit.lost");
    const { status } = await ask(ADMIN, "PUT", `${tenant}/grants/${manager.principalId}`, {
      access: "read",
      name: "Ada",
    });
    expect(status).toBe(200);
    expect(await recorded.sum("jobyard.audit.lost")).toBe(before + 1);
    expect(said.filter((line) => line.startsWith("a change could not be recorded"))).toEqual([
      expect.stringMatching(/putGrant.*"before":\{"access":"manage".*"after":\{"access":"read"/) as string,
    ]);
  });
});

describe("a refused change", () => {
  it("of a caller without the role is recorded for administrators, not for the tenant", async () => {
    const reader: Person = { role: "Jobs.Read", principalId: randomUUID() };
    expect((await ask(reader, "DELETE", `${tenant}/webhooks/chat`)).status).toBe(403);
    expect((await ask(manager, "DELETE", tenant)).status).toBe(403);
    const [own] = await entries(`/audit?actor=${reader.principalId}`);
    expect(own).toMatchObject({
      ...{ operation: "deleteWebhook", outcome: "refused", code: "Forbidden", actorId: reader.principalId },
      subject: { tenantName, webhookName: "chat" },
    });
    expect(own).not.toHaveProperty("tenantName");
    expect(await entries(`/audit?actor=${manager.principalId}`)).toHaveLength(1);
    expect(await entries(`${tenant}/audit?actor=${reader.principalId}`)).toEqual([]);
  });

  it("on a tenant of others too, though it is answered as if there were nothing", async () => {
    const stranger: Person = { role: "Jobs.Submit", principalId: randomUUID() };
    expect((await ask(stranger, "DELETE", `${tenant}/webhooks/chat`)).status).toBe(404);
    const [entry] = await entries(`/audit?actor=${stranger.principalId}`);
    expect(entry).toMatchObject({ outcome: "refused", code: "WebhookNotFound", subject: { tenantName } });
    expect(await entries(`${tenant}/audit?actor=${stranger.principalId}`)).toEqual([]);
  });

  it("is recorded some times a minute at most", async () => {
    const stranger: Person = { role: "Jobs.Submit", principalId: randomUUID() };
    // Two minutes at most are begun meanwhile.
    for (let i = 0; i < 3 * AUDIT_REFUSALS_PER_MINUTE; i++) await ask(stranger, "DELETE", `${tenant}/webhooks/chat`);
    const count = (await entries(`/audit?actor=${stranger.principalId}`)).length;
    expect(count).toBeGreaterThanOrEqual(AUDIT_REFUSALS_PER_MINUTE);
    expect(count).toBeLessThanOrEqual(2 * AUDIT_REFUSALS_PER_MINUTE);
  });
});

it("a manager does not see the changes of an earlier tenant of the same name; an administrator does", async () => {
  const [seen] = await entries(`${tenant}/audit`, manager);
  expect(seen).toMatchObject({ operation: "putGrant" });
  await ask(ADMIN, "DELETE", tenant);
  await ask(ADMIN, "PUT", tenant);
  await ask(ADMIN, "PUT", `${tenant}/grants/${manager.principalId}`, { access: "manage", name: "Ada" });
  const operations = async (who: Person) => (await entries(`${tenant}/audit`, who)).map(({ operation }) => operation);
  expect(await operations(manager)).toEqual(["putGrant", "putTenant"]);
  expect(await operations(ADMIN)).toEqual(["putGrant", "putTenant", "deleteTenant", "putGrant", "putTenant"]);
});
