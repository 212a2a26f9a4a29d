/** The files of a ZIP, by path. */
import { buffer } from "node:stream/consumers";
import yauzl from "yauzl";

export async function unzip(file: string): Promise<ReadonlyMap<string, Buffer>> {
  const zip = await yauzl.openPromise(file);
  const files = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry())
    files.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)));
  return files;
}
