/** Logs over answers that are lost; what the port promises is in ports/job-files.test.ts. */
import { expect, it } from "vitest";
import { createJobFiles } from "../../../runtime/azure/index.ts";
import type { OpenedBlob } from "../../../runtime/core/ports/job-files.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { type Fate, startStorageProxy } from "../../support/stores/storage-proxy.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const CLAIM = "0b5c1b0e-8a5d-4c55-9d0f-5a3f6f1f7c11";

it("logs hold a chunk once even if the answer to its append is lost and the append repeated", async () => {
  await using network = await startStorageProxy();
  const files = createJobFiles({ storage: testStorage(network.connectionString) });
  const { jobId } = jobOf({}, batchOf({ tenantName: freshTenant() }));
  await files.appendLog(jobId, CLAIM, Buffer.from("one,"));
  const fates: Fate[] = ["lose"];
  network.decide = ({ url }) => (url.includes("comp=appendblock") ? (fates.shift() ?? "pass") : "pass");
  await files.appendLog(jobId, CLAIM, Buffer.from("two,"));
  expect(fates).toEqual([]);
  await files.appendLog(jobId, CLAIM, Buffer.from("three"));
  expect(await textOf(await files.openLog(jobId, CLAIM))).toBe("one,two,three");
});

async function textOf(blob: OpenedBlob | undefined): Promise<string> {
  const chunks: Uint8Array[] = [];
  if (blob !== undefined) for await (const chunk of blob.stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
