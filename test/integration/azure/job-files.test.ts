import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createJobFiles, createPackageStore } from "../../../runtime/azure/index.ts";
import { InvalidRequestError, InvariantError } from "../../../runtime/core/errors.ts";
import type { OpenedBlob } from "../../../runtime/core/ports/job-files.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { type Fate, startStorageProxy } from "../../support/storage-proxy.ts";
import { freshTenant, testStorage } from "../../support/test-storage.ts";

const CLAIM = "0b5c1b0e-8a5d-4c55-9d0f-5a3f6f1f7c11";
const newJobId = (): string => jobOf({}, batchOf({ tenantName: freshTenant() })).jobId;
const newFiles = () => createJobFiles({ storage: testStorage() });

const directories: string[] = [];

async function localFile(content: string | Uint8Array): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "jobyard-files-"));
  directories.push(directory);
  const path = join(directory, "file");
  await writeFile(path, content);
  return path;
}

afterEach(async () => {
  await Promise.all(directories.splice(0).map((directory) => rm(directory, { recursive: true })));
});

async function contentOf(blob: OpenedBlob | undefined): Promise<string | undefined> {
  if (blob === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of blob.stream) chunks.push(chunk);
  const content = Buffer.concat(chunks);
  expect(content.length).toBe(blob.bytes);
  return content.toString();
}

describe("parameters", () => {
  it("are read back exactly, and absent where none were put", async () => {
    const files = newFiles();
    const jobId = newJobId();
    const json = JSON.stringify({ text: "ü 😀 \u2028".repeat(10_000) });
    await files.putParameters(jobId, json);
    expect(await files.getParameters(jobId)).toBe(json);
    expect(await files.getParameters(newJobId())).toBeUndefined();
  });
});

describe("artifacts", () => {
  it("are listed and opened under the paths they were put at, however odd", async () => {
    const files = newFiles();
    const jobId = newJobId();
    const paths = ["a b/ü%41 ?#:+&'.txt", "deep/er/than/that.png", "no-ending", "😀.json"];
    for (const path of paths) await files.putArtifact(jobId, CLAIM, path, await localFile(`content of ${path}`));
    expect(await files.listArtifacts(jobId, CLAIM)).toEqual(
      [...paths].sort().map((path) => ({ path, bytes: Buffer.byteLength(`content of ${path}`) })),
    );
    for (const path of paths) {
      expect(await contentOf(await files.openArtifact(jobId, CLAIM, path))).toBe(`content of ${path}`);
    }
    expect(await files.listArtifacts(jobId, "other-claim")).toEqual([]);
    expect(await files.openArtifact(jobId, "other-claim", "no-ending")).toBeUndefined();
  });

  it("have the content type of their ending", async () => {
    const files = newFiles();
    const jobId = newJobId();
    for (const [path, contentType] of [
      ["x.PNG", "image/png"],
      ["report.pdf", "application/pdf"],
      ["x.constructor", "application/octet-stream"],
    ] as const) {
      await files.putArtifact(jobId, CLAIM, path, await localFile("x"));
      expect(await files.openArtifact(jobId, CLAIM, path)).toMatchObject({ contentType, bytes: 1 });
    }
  });

  it("are replaced by a later one of the same path, empty and large ones alike", async () => {
    const files = newFiles();
    const jobId = newJobId();
    const large = Buffer.alloc(20 * 1024 * 1024, "abc");
    await files.putArtifact(jobId, CLAIM, "x", await localFile(large));
    expect(await contentOf(await files.openArtifact(jobId, CLAIM, "x"))).toBe(large.toString());
    await files.putArtifact(jobId, CLAIM, "x", await localFile(""));
    expect(await contentOf(await files.openArtifact(jobId, CLAIM, "x"))).toBe("");
  });

  it("cannot lead out of their folder", async () => {
    const files = newFiles();
    const jobId = newJobId();
    const file = await localFile("x");
    for (const path of ["../x", "a/../../x", "/x", "a//b", "a\\b", ".", "", "x\u0000", "x\n", "x".repeat(900)]) {
      await expect(files.putArtifact(jobId, CLAIM, path, file)).rejects.toThrow(InvalidRequestError);
      expect(await files.openArtifact(jobId, CLAIM, path)).toBeUndefined();
    }
    await expect(files.listArtifacts(jobId, "../..")).rejects.toThrow(InvariantError);
    await expect(files.listArtifacts("../x", CLAIM)).rejects.toThrow(InvariantError);
  });

  it("stop uploading when the signal fires", async () => {
    const reason = new Error("lost");
    const upload = newFiles().putArtifact(newJobId(), CLAIM, "x", await localFile("x"), AbortSignal.abort(reason));
    await expect(upload).rejects.toBe(reason);
  });

  it("report a local file that is missing as that, not as an outage", async () => {
    await expect(newFiles().putArtifact(newJobId(), CLAIM, "x", "/no/such/file")).rejects.toThrow(/ENOENT/);
  });
});

describe("logs", () => {
  it("hold all chunks in order, large ones in several blocks", async () => {
    const files = newFiles();
    const jobId = newJobId();
    expect(await files.openLog(jobId, CLAIM)).toBeUndefined();
    const chunks = ["first\n", "x".repeat(9 * 1024 * 1024), "", "ü\n"];
    for (const chunk of chunks) await files.appendLog(jobId, CLAIM, Buffer.from(chunk));
    const log = await files.openLog(jobId, CLAIM);
    expect(log?.contentType).toBe("text/plain; charset=utf-8");
    expect(await contentOf(log)).toBe(chunks.join(""));
  });

  it("go on where another process left off", async () => {
    const jobId = newJobId();
    await newFiles().appendLog(jobId, CLAIM, Buffer.from("one,"));
    await newFiles().appendLog(jobId, CLAIM, Buffer.from("two"));
    expect(await contentOf(await newFiles().openLog(jobId, CLAIM))).toBe("one,two");
  });

  it("hold a chunk once even if the answer to its append is lost and the append repeated", async () => {
    await using network = await startStorageProxy();
    const files = createJobFiles({ storage: testStorage(network.connectionString) });
    const jobId = newJobId();
    await files.appendLog(jobId, CLAIM, Buffer.from("one,"));
    const fates: Fate[] = ["lose"];
    network.decide = ({ url }) => (url.includes("comp=appendblock") ? (fates.shift() ?? "pass") : "pass");
    await files.appendLog(jobId, CLAIM, Buffer.from("two,"));
    expect(fates).toEqual([]);
    await files.appendLog(jobId, CLAIM, Buffer.from("three"));
    expect(await contentOf(await files.openLog(jobId, CLAIM))).toBe("one,two,three");
  });
});

describe("packages", () => {
  it("are fetched by their exact name only, and not again while unchanged", async () => {
    await using network = await startStorageProxy();
    const packages = createPackageStore({ storage: testStorage(network.connectionString) });
    const tenant = freshTenant();
    await packages.upload(tenant, "report.zip", Buffer.from("v1"));
    const first = await packages.fetch(tenant, "report.zip", undefined);
    if (first === undefined || first === "unchanged") throw new Error("not fetched");
    expect(Buffer.from(first.bytes).toString()).toBe("v1");

    network.requests.length = 0;
    expect(await packages.fetch(tenant, "report.zip", first.version)).toBe("unchanged");
    expect(network.requests).toHaveLength(1);

    await packages.upload(tenant, "report.zip", Buffer.from("v2"));
    const second = await packages.fetch(tenant, "report.zip", first.version);
    expect(second).toMatchObject({ bytes: Buffer.from("v2") });

    for (const name of ["report", "report.zip2", "REPORT.ZIP", "../report.zip", "", "a/b.zip"]) {
      expect(await packages.fetch(tenant, name, undefined)).toBeUndefined();
    }
    expect(await packages.fetch(freshTenant(), "report.zip", undefined)).toBeUndefined();
    await expect(packages.upload(tenant, `../${freshTenant()}/x.zip`, Buffer.from(""))).rejects.toThrow(
      InvalidRequestError,
    );
  });

  it("stop downloading when the signal fires", async () => {
    const packages = createPackageStore({ storage: testStorage() });
    const reason = new Error("lost");
    await expect(packages.fetch(freshTenant(), "x.zip", undefined, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
