import { expect, it } from "vitest";
import { createPublishedJobs } from "../../../runtime/api/published-jobs.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";

const version = (sha256: string) => ({ tenantName: "contoso", packageName: "a.zip", sha256 });

it("versions asked for at the same time are read one after another, each once", async () => {
  let open = 0;
  let most = 0;
  const read: string[] = [];
  const jobsOf = createPublishedJobs({
    async fetchVersion(_tenantName, _packageName, sha256) {
      most = Math.max(most, ++open);
      read.push(sha256);
      await Promise.resolve();
      open--;
      if (sha256 === "b") throw new UnavailableError("StorageUnavailable", "Storage is away.");
      return undefined;
    },
  });
  const asked = await Promise.allSettled(["a", "b", "c", "c"].map((sha256) => jobsOf(version(sha256))));
  expect(asked.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  expect(read).toEqual(["a", "b", "c"]);
  expect(most).toBe(1);
});
