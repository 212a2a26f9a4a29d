/**
 * All artifacts of an attempt as one ZIP, written while it is read: one file is open at a time, and no more of it is in memory
 * than the connection takes. Files are stored, not compressed: the length is known beforehand, and it costs the API little.
 */
import { PassThrough, Readable } from "node:stream";
import { ZipFile } from "yazl";
import { NotFoundError } from "../core/errors.ts";
import type { Artifact, OpenedBlob } from "../core/ports/job-files.ts";

export interface ZipOptions {
  readonly artifacts: readonly Artifact[];
  readonly open: (path: string) => Promise<Pick<OpenedBlob, "stream"> | undefined>;
  /** Of all files. */
  readonly modifiedAt: Date;
}

export interface ArtifactsZip {
  readonly bytes: number;
  readonly stream: Readable;
}

const PLAIN_FILE = 0o100644;

/** The stream fails when a file cannot be read to its end. To stop early, destroy it. */
export function zipArtifacts({ artifacts, open, modifiedAt }: ZipOptions): ArtifactsZip {
  const zip = new ZipFile();
  const stream = zip.outputStream.pipe(new PassThrough());
  let source: Readable | undefined;
  const fail = (error: Error): void => void stream.destroy(error);
  zip.on("error", fail);
  stream.once("close", () => source?.destroy());

  const names = zipNames(artifacts.map(({ path }) => path));
  for (const [index, { path, bytes }] of artifacts.entries()) {
    const options = { size: bytes, compress: false, mtime: modifiedAt, mode: PLAIN_FILE };
    zip.addReadStreamLazy(names[index] ?? path, options, (pump) => {
      openFile(open, path).then((opened) => {
        source = opened.on("error", fail);
        // The reader may have left while it was opened.
        if (stream.destroyed) opened.destroy();
        else pump(undefined, opened);
      }, fail);
    });
  }
  let bytes: unknown;
  // Called at once, because all lengths are known.
  zip.end({ forceZip64Format: false, comment: "" }, (...total: readonly unknown[]) => ([bytes] = total));
  return { bytes: Number(bytes), stream };
}

async function openFile(open: ZipOptions["open"], path: string): Promise<Readable> {
  const blob = await open(path);
  if (blob === undefined) throw new NotFoundError("ArtifactNotFound", `The job has no artifact ${path} any more.`);
  return Readable.from(blob.stream);
}

/** What Windows takes for something else than a part of a name. */
const NO_NAME = /[<>:"|?*\\]/g;
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i;
const END_OF_NAME = /[. ]$/;

/**
 * A name in the ZIP for each path, which every system can unpack into a folder, next to all the others. Most paths stay as they
 * are.
 */
export function zipNames(paths: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return paths.map((path) => {
    const safe = path
      .split("/")
      .map((part) => part.replace(NO_NAME, "_").replace(DEVICE, "_$&").replace(END_OF_NAME, "_"))
      .join("/");
    const dot = safe.lastIndexOf(".");
    const [stem, ending] = dot > safe.lastIndexOf("/") + 1 ? [safe.slice(0, dot), safe.slice(dot)] : [safe, ""];
    let name = safe;
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${stem}-${number}${ending}`;
    taken.add(name.toLowerCase());
    return name;
  });
}
