import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Job, type JobContext, isNonRetryable } from "jobyard/job";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import thumbnails from "../src/thumbnails.ts";

const packagePath = join(import.meta.dirname, "..");
const data = join(packagePath, "data");
let outputPath: string;

beforeEach(async () => {
  outputPath = await mkdtemp(join(tmpdir(), "thumbnails-"));
});
afterEach(() => rm(outputPath, { recursive: true }));

async function run(parameters: unknown, signal = new AbortController().signal) {
  const fractions: number[] = [];
  const job: Job = {
    jobId: "job",
    batchId: "batch",
    tenantName: "demo",
    jobName: "thumbnails",
    jobType: "Thumbnails",
    parameters,
    attempt: 1,
    interruption: 0,
    claimId: "claim",
    workerId: "local",
  };
  const context: JobContext = {
    packagePath,
    workingPath: outputPath,
    outputPath,
    progress: (fraction: number | string) => fractions.push(Number(fraction)),
    log: () => undefined,
    signal,
    settings: {},
    credential: { getToken: () => Promise.reject(new Error("No identity.")) },
    services: undefined,
  };
  const result = await thumbnails.run(job, context);
  return { output: result?.output, fractions };
}

describe("Thumbnails", () => {
  it.each(["waves-1.jpg", "waves-2.png", "waves-3.webp"])("makes every size of %s in its own format", async (image) => {
    const original = await sharp(join(data, image)).metadata();
    const { output, fractions } = await run({ image, sizes: [32, 128] });
    expect(output).toMatchObject({ image, width: original.width, height: original.height });
    for (const size of [32, 128]) {
      const made = await sharp(join(outputPath, image.replace(".", `-${size}.`))).metadata();
      expect(Math.max(made.width, made.height)).toBe(size);
      expect(made.width / made.height).toBeCloseTo(original.width / original.height, 0);
      expect(made.format).toBe(original.format);
    }
    expect(fractions).toEqual([0, 0.5, 1]);
  });

  it("rotates an image as its camera tag says", async () => {
    const { output } = await run({ image: "camera-held-upright.jpg", sizes: [160] });
    expect(output).toMatchObject({ width: 480, height: 640, thumbnails: [{ width: 120, height: 160 }] });
    const { data: pixels, info } = await sharp(join(outputPath, "camera-held-upright-160.jpg"))
      .raw()
      .toBuffer({ resolveWithObject: true });
    const redAt = (x: number, y: number) => {
      const [red = 0, green = 0, blue = 0] = pixels.subarray((y * info.width + x) * info.channels);
      return red > 180 && green < 80 && blue < 80;
    };
    expect([redAt(4, 4), redAt(115, 4), redAt(4, 155), redAt(115, 155)]).toEqual([true, false, false, false]);
    expect((await sharp(join(outputPath, "camera-held-upright-160.jpg")).metadata()).orientation).toBeUndefined();
  });

  it("takes an absolute path, and never enlarges", async () => {
    const { output } = await run({ image: join(data, "waves-3.webp"), sizes: [4_096] });
    expect(output).toMatchObject({ thumbnails: [{ file: "waves-3-4096.webp" }] });
    const original = await sharp(join(data, "waves-3.webp")).metadata();
    expect(await sharp(join(outputPath, "waves-3-4096.webp")).metadata()).toMatchObject({ width: original.width });
  });

  it.each([
    ["parameters without an image", {}, "image"],
    ["a size of nothing", { image: "waves-1.jpg", sizes: [0] }, "sizes.0"],
    ["a missing file", { image: "none.jpg" }, "cannot be read as an image"],
    ["a file that is not an image", { image: "../package.json" }, "cannot be read as an image"],
  ])("fails for good with %s", async (_, parameters, message) => {
    const failure: unknown = await run(parameters).catch((error: unknown) => error);
    expect(isNonRetryable(failure)).toBe(true);
    expect(String(failure)).toContain(message);
    expect(await readdir(outputPath)).toEqual([]);
  });

  it("stops when canceled", async () => {
    await expect(run({ image: "waves-1.jpg" }, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
  });

  it("ships at least 24 images, all readable", async () => {
    const images = await readdir(data);
    expect(images.length).toBeGreaterThanOrEqual(24);
    const formats = await Promise.all(images.map(async (image) => (await sharp(join(data, image)).metadata()).format));
    expect(new Set(formats)).toEqual(new Set(["jpeg", "png", "webp"]));
  });
});
