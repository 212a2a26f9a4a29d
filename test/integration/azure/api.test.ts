/** The whole over Azurite: each operation, asked rightly, is served from the real adapters. The rules are the others' subject. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { workerOf } from "../../support/builders.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { createAzureStores } from "../../support/stores/azure-stores.ts";
import { ownStorage, testStorage } from "../../support/stores/test-storage.ts";
import { MATRIX, WORKER } from "../../support/api/tenancy-matrix.ts";
import { freshTenantName, LETTERS_AFTER, realPlace } from "../../support/api/tenant-place.ts";
import { startTestApi } from "../../support/api/test-api.ts";
import { openWire } from "../../support/api/wire.ts";

const letters = letterQueue(LETTERS_AFTER);
// It pauses a pool, which would hold the workers of all tests over the same account.
const storage = testStorage(await ownStorage("everyoperation"));
const api = await startTestApi(letters.queue, { stores: createAzureStores(undefined, storage) });
const wire = openWire(api.url);
const tenantName = freshTenantName();
beforeAll(async () => {
  await api.workers.beat(workerOf(WORKER), undefined);
  await api.tenants.create({ tenantName, createdAt: new Date(), createdBy: "test" });
});
afterAll(async () => {
  wire[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});

it.each(Object.entries(MATRIX))("%s", async (_operationId, attempts) => {
  for (const attempt of attempts) {
    const request = await attempt.request(realPlace(tenantName, { api, letters }));
    const answer = await wire.send(request);
    expect(answer.status, answer.text).toBeLessThan(300);
    api.contract.check(request.method, request.path, answer);
    // One request for many tells of each alone.
    if (attempt.refusal === "item-errors") expect(answer.text).not.toContain('"error"');
    if (attempt.refusal === "no-items" && attempt.names === "tenant") expect(answer.text).not.toContain('"items":[]');
  }
});
