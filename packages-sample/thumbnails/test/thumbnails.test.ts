import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { runJob } from "jobyard/testing";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import thumbnails from "../src/thumbnails.ts";

const directory = join(import.meta.dirname, "..");
const data = join(directory, "data");

const run = (parameters: unknown, signal?: AbortSignal) => runJob(thumbnails, { directory, parameters, signal });

describe("Thumbnails", () => {
  it.each(["waves-1.jpg", "waves-2.png", "waves-3.webp"])("makes every size of %s in its own format", async (image) => {
    const original = await sharp(join(data, image)).metadata();
    const { output, progress, artifacts } = await run({ image, sizes: [32, 128] });
    expect(output).toMatchObject({ image, width: original.width, height: original.height });
    for (const size of [32, 128]) {
      const made = await sharp(artifacts.get(image.replace(".", `-${size}.`))).metadata();
      expect(Math.max(made.width, made.height)).toBe(size);
      expect(made.width / made.height).toBeCloseTo(original.width / original.height, 0);
      expect(made.format).toBe(original.format);
    }
    expect(progress.map(({ fraction }) => fraction)).toEqual([0, 0.5, 1]);
  });

  it("rotates an image as its camera tag says", async () => {
    const { output, artifacts } = await run({ image: "camera-held-upright.jpg", sizes: [160] });
    expect(output).toMatchObject({ width: 480, height: 640, thumbnails: [{ width: 120, height: 160 }] });
    const made = artifacts.get("camera-held-upright-160.jpg");
    const { data: pixels, info } = await sharp(made).raw().toBuffer({ resolveWithObject: true });
    const redAt = (x: number, y: number) => {
      const [red = 0, green = 0, blue = 0] = pixels.subarray((y * info.width + x) * info.channels);
      return red > 180 && green < 80 && blue < 80;
    };
    expect([redAt(4, 4), redAt(115, 4), redAt(4, 155), redAt(115, 155)]).toEqual([true, false, false, false]);
    expect((await sharp(made).metadata()).orientation).toBeUndefined();
  });

  it("takes an absolute path, and never enlarges", async () => {
    const { output, artifacts } = await run({ image: join(data, "waves-3.webp"), sizes: [4_096] });
    expect(output).toMatchObject({ thumbnails: [{ file: "waves-3-4096.webp" }] });
    const original = await sharp(join(data, "waves-3.webp")).metadata();
    const made = await sharp(artifacts.get("waves-3-4096.webp")).metadata();
    expect(made.width).toBe(original.width);
  });

  it.each([
    ["parameters without an image", {}, "image"],
    ["a size of nothing", { image: "waves-1.jpg", sizes: [0] }, "sizes.0"],
    ["a missing file", { image: "none.jpg" }, "cannot be read as an image"],
    ["a file that is not an image", { image: "../package.json" }, "cannot be read as an image"],
  ])("fails for good with %s", async (_, parameters, message) => {
    const { failure, artifacts } = await run(parameters);
    expect(failure).toMatchObject({ retryable: false, message: expect.stringContaining(message) as string });
    expect(artifacts.size).toBe(0);
  });

  it("stops when canceled", async () => {
    expect(await run({ image: "waves-1.jpg" }, AbortSignal.abort())).toMatchObject({ outcome: "canceled" });
  });

  it("ships at least 24 images, all readable", async () => {
    const images = await readdir(data);
    expect(images.length).toBeGreaterThanOrEqual(24);
    const formats = await Promise.all(images.map(async (image) => (await sharp(join(data, image)).metadata()).format));
    expect(new Set(formats)).toEqual(new Set(["jpeg", "png", "webp"]));
  });
});
