/** The contract of core/ports/job-files.ts. */
import { describe, expect, it } from "vitest";
import { InvalidRequestError, InvariantError } from "../../../runtime/core/errors.ts";
import { PARAMETERS_MAX_BYTES } from "../../../runtime/core/limits.ts";
import type { OpenedBlob } from "../../../runtime/core/ports/job-files.ts";
import { artifactContent } from "../../support/api/artifact-content.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const CLAIM = "0b5c1b0e-8a5d-4c55-9d0f-5a3f6f1f7c11";
const newJobId = (): string => jobOf({}, batchOf({ tenantName: freshTenant() })).jobId;

async function contentOf(blob: OpenedBlob | undefined): Promise<string | undefined> {
  if (blob === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of blob.stream) chunks.push(chunk);
  const content = Buffer.concat(chunks);
  expect(content.length).toBe(blob.bytes);
  return content.toString();
}

describe.each(BACKINGS)("over $name", ({ start }) => {
  const open = start();
  const newFiles = () => open().files;

  describe("parameters", () => {
    it("parameters are read back exactly, and are absent for a job without any", async () => {
      const files = newFiles();
      const jobId = newJobId();
      const json = JSON.stringify({ text: "ü 😀 \u2028".repeat(10_000) });
      await files.putParameters(jobId, json);
      expect(await files.getParameters(jobId)).toBe(json);
      expect(await files.getParameters(newJobId())).toBeUndefined();
    });
  });

  describe("artifacts", () => {
    it("artifacts are listed and opened under their paths, also unusual ones", async () => {
      const files = newFiles();
      const jobId = newJobId();
      const paths = ["a b/ü%41 ?#:+&'.txt", "deep/er/than/that.png", "no-ending", "😀.json"];
      for (const path of paths) await files.putArtifact(jobId, CLAIM, path, artifactContent(`content of ${path}`));
      expect(await files.listArtifacts(jobId, CLAIM)).toEqual(
        [...paths].sort().map((path) => ({ path, bytes: Buffer.byteLength(`content of ${path}`) })),
      );
      for (const path of paths) {
        expect(await contentOf(await files.openArtifact(jobId, CLAIM, path))).toBe(`content of ${path}`);
      }
      expect(await files.listArtifacts(jobId, "other-claim")).toEqual([]);
      expect(await files.openArtifact(jobId, "other-claim", "no-ending")).toBeUndefined();
    });

    it("artifacts have the content type of their file ending", async () => {
      const files = newFiles();
      const jobId = newJobId();
      for (const [path, contentType] of [
        ["x.PNG", "image/png"],
        ["report.pdf", "application/pdf"],
        ["x.constructor", "application/octet-stream"],
      ] as const) {
        await files.putArtifact(jobId, CLAIM, path, artifactContent("x"));
        expect(await files.openArtifact(jobId, CLAIM, path)).toMatchObject({ contentType, bytes: 1 });
      }
    });

    it("a later artifact replaces one of the same path, also an empty or a large one", async () => {
      const files = newFiles();
      const jobId = newJobId();
      const large = Buffer.alloc(20 * 1024 * 1024, "abc");
      await files.putArtifact(jobId, CLAIM, "x", artifactContent(large));
      expect(await contentOf(await files.openArtifact(jobId, CLAIM, "x"))).toBe(large.toString());
      await files.putArtifact(jobId, CLAIM, "x", artifactContent(""));
      expect(await contentOf(await files.openArtifact(jobId, CLAIM, "x"))).toBe("");
    });

    it("the path of an artifact cannot leave its folder", async () => {
      const files = newFiles();
      const jobId = newJobId();
      const file = artifactContent("x");
      for (const path of [
        "../x",
        "a/../../x",
        "/x",
        "a//b",
        "a\\b",
        ".",
        "",
        "x\u0000",
        "x\n",
        "x\u0085",
        "\ud800",
        "x".repeat(900),
      ]) {
        await expect(files.putArtifact(jobId, CLAIM, path, file)).rejects.toThrow(InvalidRequestError);
        expect(await files.openArtifact(jobId, CLAIM, path)).toBeUndefined();
      }
      await expect(files.listArtifacts(jobId, "../..")).rejects.toThrow(InvariantError);
      await expect(files.listArtifacts("../x", CLAIM)).rejects.toThrow(InvariantError);
    });

    it("the upload of an artifact stops when the signal fires", async () => {
      const reason = new Error("lost");
      const upload = newFiles().putArtifact(newJobId(), CLAIM, "x", artifactContent("x"), AbortSignal.abort(reason));
      await expect(upload).rejects.toBe(reason);
    });

    it("an unreadable artifact is reported as unreadable, not as an outage, before and between blocks", async () => {
      for (const readable of [0, 10 * 1024 * 1024]) {
        const problem = new Error("gone");
        const read = (position: number, length: number): Promise<Buffer> =>
          position + length > readable ? Promise.reject(problem) : Promise.resolve(Buffer.alloc(length));
        const upload = newFiles().putArtifact(newJobId(), CLAIM, "x", { bytes: 20 * 1024 * 1024, read });
        await expect(upload).rejects.toBe(problem);
      }
    });
  });

  describe("logs", () => {
    it("a log has all chunks in order, large ones in several blocks", async () => {
      const files = newFiles();
      const jobId = newJobId();
      expect(await files.openLog(jobId, CLAIM)).toBeUndefined();
      const chunks = ["first\n", "x".repeat(9 * 1024 * 1024), "", "ü\n"];
      for (const chunk of chunks) await files.appendLog(jobId, CLAIM, Buffer.from(chunk));
      const log = await files.openLog(jobId, CLAIM);
      expect(log?.contentType).toBe("text/plain; charset=utf-8");
      expect(await contentOf(log)).toBe(chunks.join(""));
    });

    it("another process continues a log at its end", async () => {
      const jobId = newJobId();
      await newFiles().appendLog(jobId, CLAIM, Buffer.from("one,"));
      await newFiles().appendLog(jobId, CLAIM, Buffer.from("two"));
      expect(await contentOf(await newFiles().openLog(jobId, CLAIM))).toBe("one,two");
    });

    it("a log is read from a given byte, and reading after its end returns nothing", async () => {
      const files = newFiles();
      const jobId = newJobId();
      await files.appendLog(jobId, CLAIM, Buffer.from("abcdef"));
      const from = async (byte: number) => contentOf(await files.openLog(jobId, CLAIM, byte));
      expect(await Promise.all([0, 2, 5, 6, 7, 1_000_000].map(from))).toEqual(["abcdef", "cdef", "f", "", "", ""]);
    });

    it("a log exists from its first chunk on, even an empty one, and belongs to one claim", async () => {
      const files = newFiles();
      const jobId = newJobId();
      await files.appendLog(jobId, CLAIM, Buffer.alloc(0));
      expect(await contentOf(await files.openLog(jobId, CLAIM))).toBe("");
      expect(await files.openLog(jobId, "other-claim")).toBeUndefined();
      await expect(files.openLog(jobId, "../x")).rejects.toThrow(InvariantError);
      await expect(files.appendLog("../x", CLAIM, Buffer.from("x"))).rejects.toThrow(InvariantError);
    });
  });

  describe("parameters put again", () => {
    it("parameters replace earlier ones, up to their size limit", async () => {
      const files = newFiles();
      const jobId = newJobId();
      await files.putParameters(jobId, "1");
      const large = JSON.stringify("x".repeat(PARAMETERS_MAX_BYTES - 2));
      await files.putParameters(jobId, large);
      expect(await files.getParameters(jobId)).toBe(large);
      await expect(files.putParameters("../x", "1")).rejects.toThrow(InvariantError);
    });
  });
});
