/** Makes thumbnails of one image: upright, in several sizes, in the format of the original. */
import { mkdir } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { NonRetryableError, defineJob } from "jobyard/job";
import sharp from "sharp";
import * as z from "zod";

const ThumbnailParameters = z.object({
  /** A file of this package's `data` folder, or an absolute path. */
  image: z.string().min(1),
  /** Longest edges in pixels. */
  sizes: z.array(z.int().min(16).max(4_096)).min(1).max(20).default([64, 160, 320]),
});

interface Thumbnail {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
}

/** An image of 100 million pixels needs 400 MB of memory when decoded. */
const PIXELS_MAX = 100_000_000;

export default defineJob({
  jobType: "Thumbnails",
  retry: { maxAttempts: 3 },
  timeoutMs: 5 * 60_000,
  parameters: ThumbnailParameters,
  async run({ parameters }, { packagePath, outputPath, progress, log, signal }) {
    const source = resolve(packagePath, "data", parameters.image);
    const { width, height, format } = await readFacts(source);
    log(`${parameters.image}: ${format}, ${width} × ${height}`);
    await mkdir(outputPath, { recursive: true });

    const thumbnails: Thumbnail[] = [];
    for (const [index, size] of parameters.sizes.entries()) {
      signal.throwIfAborted();
      progress(index / parameters.sizes.length, `${size} px`);
      const file = `${basename(source, extname(source))}-${size}${extname(source)}`;
      const made = await sharp(source, { limitInputPixels: PIXELS_MAX })
        // Cameras store a rotation tag instead of turning the image. After this step the tag is not needed.
        .autoOrient()
        .resize({ width: size, height: size, fit: "inside", withoutEnlargement: true })
        .toFile(join(outputPath, file));
      thumbnails.push({ file, width: made.width, height: made.height, bytes: made.size });
    }
    progress(1);
    return { output: { image: parameters.image, width, height, thumbnails } };
  },
});

/** Size after rotation. A file that is not an image fails without a retry. */
async function readFacts(source: string): Promise<{ width: number; height: number; format: string }> {
  try {
    const { autoOrient, format } = await sharp(source, { limitInputPixels: PIXELS_MAX }).metadata();
    return { width: autoOrient.width, height: autoOrient.height, format };
  } catch (error) {
    throw new NonRetryableError(`${source} cannot be read as an image: ${(error as Error).message}`, { cause: error });
  }
}
