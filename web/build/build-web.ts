/**
 * Builds the dashboard with Vite: static files with their hash in their name, and compressed forms beside them. The same
 * source gives the same files, so they are built once and kept until a source changes.
 */
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { extname, join, relative } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

export interface WebFile {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly content: Uint8Array;
}

const ROOT = join(import.meta.dirname, "../..");
const WEB = join(ROOT, "web");
/** What the pages are made of. A change in any of them is another build. */
const SOURCES = ["web", "docs", "runtime/client", "runtime/core", "package-lock.json"];
const CACHE = join(ROOT, "node_modules/.cache/jobyard/web");
/** A smaller file gains nothing. */
const COMPRESS_MIN_BYTES = 1_000;
const COMPRESSIBLE: ReadonlySet<string> = new Set([".html", ".js", ".css", ".svg"]);

/** Whether there is a source to build from: a fork can delete the dashboard, and the built package has no source. */
export const hasWebSource = (): boolean => existsSync(join(WEB, "index.html"));

/** The built pages. Throws Vite's errors. */
export async function webFiles(): Promise<readonly WebFile[]> {
  const folder = await keepWebBuilt();
  const paths = await filesIn(folder);
  return Promise.all(
    paths.map(async (path) => ({
      path: relative(folder, path).replaceAll("\\", "/"),
      content: await readFile(path),
    })),
  );
}

async function buildWeb(): Promise<readonly WebFile[]> {
  // Loaded only to build. It is not part of any program that is deployed.
  const { build } = await import("vite");
  const { WEB_CONFIG } = await import("./web-config.ts");
  const built = await inProduction(() => build({ ...WEB_CONFIG, logLevel: "error" }));
  const outputs = (Array.isArray(built) ? built : [built]).flatMap((one) => ("output" in one ? one.output : []));
  const files = outputs.map((output) => ({
    path: output.fileName,
    content: Buffer.from(output.type === "chunk" ? output.code : output.source),
  }));
  const all = await Promise.all(files.map(async (file) => [file, ...(await compressed(file))]));
  return all.flat().sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Vite goes by this variable: with another value, pages have React's development code and paths of this machine. */
async function inProduction<T>(action: () => Promise<T>): Promise<T> {
  const before = process.env["NODE_ENV"];
  process.env["NODE_ENV"] = "production";
  try {
    return await action();
  } finally {
    if (before === undefined) delete process.env["NODE_ENV"];
    else process.env["NODE_ENV"] = before;
  }
}

async function compressed({ path, content }: WebFile): Promise<readonly WebFile[]> {
  if (content.byteLength < COMPRESS_MIN_BYTES || !COMPRESSIBLE.has(extname(path))) return [];
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.byteLength };
  const [br, gz] = await Promise.all([
    promisify(brotliCompress)(content, { params }),
    promisify(gzip)(content, { level: constants.Z_BEST_COMPRESSION }),
  ]);
  return [
    { path: `${path}.br`, content: br },
    { path: `${path}.gz`, content: gz },
  ];
}

/** Others are removed when they are this old: another start may use them. */
const KEPT_FOR_MS = 24 * 60 * 60_000;

/** The folder of the built pages. Throws Vite's errors. */
export async function keepWebBuilt(): Promise<string> {
  const folder = join(CACHE, await keyOfSources());
  if (existsSync(folder)) return folder;
  const files = await buildWeb();
  // Complete at every moment: two starts may build side by side.
  const half = `${folder}.${process.pid}`;
  await writeWeb(files, half);
  await rename(half, folder).catch((error: unknown) => {
    if (!existsSync(folder)) throw error;
  });
  await Promise.all((await readdir(CACHE)).map((name) => removeOld(join(CACHE, name))));
  return folder;
}

async function removeOld(folder: string): Promise<void> {
  // Another start may have removed it.
  const { mtimeMs } = await stat(folder).catch(() => ({ mtimeMs: Infinity }));
  if (Date.now() - mtimeMs > KEPT_FOR_MS) await rm(folder, { recursive: true, force: true });
}

async function writeWeb(files: readonly WebFile[], directory: string): Promise<void> {
  await mkdir(join(directory, "assets"), { recursive: true });
  await Promise.all(files.map(({ path, content }) => writeFile(join(directory, path), content)));
}

async function keyOfSources(): Promise<string> {
  const listed = await Promise.all(SOURCES.map((source) => filesIn(join(ROOT, source))));
  const hash = createHash("sha256");
  for (const [index, content] of (await Promise.all(listed.flat().map((path) => readFile(path)))).entries()) {
    hash.update(`${listed.flat()[index] ?? ""}\0${content.byteLength}\0`).update(content);
  }
  return hash.digest("hex").slice(0, 16);
}

async function filesIn(path: string): Promise<readonly string[]> {
  if ((await stat(path)).isFile()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
}
