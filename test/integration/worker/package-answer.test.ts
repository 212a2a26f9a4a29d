/** What storage says of a package is shared by attempts, and an upload counts for every attempt that begins after it. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createPackageCatalog, createPackageStore } from "../../../runtime/azure/index.ts";
import { systemClock } from "../../../runtime/core/clock.ts";
import type { PackageStore } from "../../../runtime/core/ports/package-store.ts";
import { createPackageCache } from "../../../runtime/worker/package-cache/package-cache.ts";
import { currentPlatform } from "../../../runtime/worker/package-cache/unpack.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const saying = (output: string): Buffer => testPackage({ jobs: { Say: `return { output: "${output}" };` } });
const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("an upload", () => {
  it("an upload and a restore count for the next attempt, although attempts share answers", async () => {
    await using directory = await temporaryDirectory();
    const tenant = freshTenant();
    const catalog = createPackageCatalog({ storage: testStorage() });
    const inner = createPackageStore({ storage: testStorage() });
    let asked = 0;
    let attempts = 0;
    const store: Pick<PackageStore, "fetch"> = {
      fetch(...request) {
        asked++;
        return inner.fetch(...request);
      },
    };
    const cache = createPackageCache({
      store,
      directory: join(directory.path, "packages"),
      platform: currentPlatform(),
      monotonicNow: systemClock.monotonicNow,
    });
    async function runHash(): Promise<string> {
      attempts++;
      const lease = await cache.acquire(tenant, "test.zip");
      lease.release();
      return lease.hash;
    }
    const upload = (bytes: Uint8Array) => {
      const facts = { sha256: hashOf(bytes), uploadedBy: "test", jobTypes: ["Say"] };
      return catalog.upload(tenant, "test.zip", bytes, facts);
    };

    const [one, two] = [saying("one"), saying("two")];
    await upload(one);
    expect(await runHash()).toBe(hashOf(one));
    // Attempts all the time, so that some answer is always fresh.
    const enough = new AbortController();
    const others = (async () => {
      while (!enough.signal.aborted) {
        await runHash();
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await upload(two);
    expect(await runHash()).toBe(hashOf(two));
    await catalog.restore(tenant, "test.zip", hashOf(one), "test");
    expect(await runHash()).toBe(hashOf(one));
    enough.abort();
    await others;
    expect(asked).toBeLessThan(attempts / 10);
  });
});
