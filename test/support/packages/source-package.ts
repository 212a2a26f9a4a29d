/** A package's source in a temporary directory, from a list of files. */
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type TemporaryDirectory, temporaryDirectory } from "../temporary-directory.ts";

export interface SourcePackage extends TemporaryDirectory {
  write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void>;
  makeExecutable(file: string): Promise<void>;
  link(file: string, target: string): Promise<void>;
}

/** `package.json` is `{ "name": "sample" }` unless it is among the files. */
export async function sourcePackage(files: Readonly<Record<string, string | Uint8Array>>): Promise<SourcePackage> {
  const directory = await temporaryDirectory();
  const source: SourcePackage = {
    path: directory.path,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
    async write(more) {
      for (const [file, content] of Object.entries(more)) {
        await mkdir(dirname(join(directory.path, file)), { recursive: true });
        await writeFile(join(directory.path, file), content);
      }
    },
    makeExecutable: (file) => chmod(join(directory.path, file), 0o755),
    link: (file, target) => symlink(target, join(directory.path, file)),
  };
  await source.write({ "package.json": '{ "name": "sample" }', ...files });
  return source;
}
