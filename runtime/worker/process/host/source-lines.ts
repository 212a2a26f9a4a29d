/**
 * Shows stacks of a package in lines of its source. Packages have source maps without texts, at the end of each bundled
 * file. Only a stack that is read costs anything: a map is read with the first frame of its file.
 */
import { readFileSync, realpathSync } from "node:fs";
import { SourceMap } from "node:module";
import { posix } from "node:path";
import { pathToFileURL } from "node:url";
import { SDK_SOURCE, SOURCE_MAP_MARK } from "../../../core/package/source-map-mark.ts";
import { FAILURE_STACK_MAX_FRAMES, FAILURE_STACK_MAX_LENGTH } from "../../../core/limits.ts";

export interface SourceLines {
  /** With the positions of the source in place of those in the bundle. Other text stays as it is. */
  mapped(text: string): string;
  /** Mapped, without the frames of Node and Jobyard and without the folder of the package. */
  readable(text: string): string;
  /** The first frames of a stack as `readable` shows them, without its message; undefined if there is none. */
  framesOf(stack: string): string | undefined;
}

/** An inspected error with causes can be as long as its job wants. */
const TEXT_MAX_LENGTH = 64 * 1024;
/** A longer line is no frame. */
const FRAME_MAX_LENGTH = 1_000;

/** Before its position a frame has the function; behind it, where `inspect` shows errors in errors, marks of lists. */
const FRAME = /^(\s+at (?:async )?(?:.* \()?)(.+?):(\d+):(\d+)(\)?)((?:,| \{| \]| \})*)$/;

const LIBRARIES = "node_modules/";

/** This program, whose own frames say nothing to an author. */
const HOST_FILE = process.argv[1];

export function createSourceLines(packagePath: string): SourceLines {
  const folders = foldersOf(packagePath);
  const maps = new Map<string, SourceMap | undefined>();

  function mapOf(path: string): SourceMap | undefined {
    if (!maps.has(path)) maps.set(path, readMap(posix.join(packagePath, path)));
    return maps.get(path);
  }

  /** Where a position in a file of the package comes from. */
  function sourceOf(path: string, line: number, column: number): { readonly file: string; readonly at: string } {
    const bundled = { file: path, at: `:${line}:${column}` };
    if (path.startsWith(LIBRARIES)) return bundled;
    const entry = mapOf(path)?.findEntry(line - 1, column - 1);
    if (entry === undefined || !("originalSource" in entry)) return bundled;
    const file = posix.join(posix.dirname(path), entry.originalSource);
    // The map has the files of libraries and not their lines.
    const at = file.startsWith(LIBRARIES) ? "" : `:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
    return { file, at };
  }

  /** The line of a frame, with its position in the source; undefined if the frame is left out. */
  function translate(frame: Frame, line: string, isLeftOut: (file: string) => boolean): string | undefined {
    const folder = folders.find((one) => frame.file.startsWith(one));
    if (folder === undefined) return isLeftOut(frame.file) ? undefined : line;
    const { file, at } = sourceOf(decoded(frame.file.slice(folder.length)), frame.line, frame.column);
    return isLeftOut(file) ? undefined : `${frame.before}${file}${at}${frame.after}${frame.marks}`;
  }

  function translateAll(text: string, isLeftOut: (file: string) => boolean): string {
    const lines: string[] = [];
    for (const line of text.split("\n")) {
      const frame = frameIn(line);
      const shown = frame === undefined ? line : translate(frame, line, isLeftOut);
      if (shown !== undefined) lines.push(shown);
      // What stands behind a frame belongs to its error.
      else if (lines.length > 0) lines.push(`${lines.pop() ?? ""}${frame?.marks ?? ""}`);
    }
    return lines.join("\n");
  }

  function readable(text: string): string {
    const short = text.length > TEXT_MAX_LENGTH ? `${text.slice(0, TEXT_MAX_LENGTH)}\n… (cut)` : text;
    return folders.reduce((rest, folder) => rest.replaceAll(folder, ""), translateAll(short, isNotTheAuthors));
  }

  return {
    mapped: (text) => (folders.some((folder) => text.includes(folder)) ? translateAll(text, () => false) : text),
    readable,
    framesOf(stack) {
      const frames = readable(stack)
        .split("\n")
        .filter((line) => /^\s+at /.test(line) && line.length <= FRAME_MAX_LENGTH)
        .map((line) => line.trim());
      if (frames.length === 0) return undefined;
      return frames.slice(0, FAILURE_STACK_MAX_FRAMES).join("\n").slice(0, FAILURE_STACK_MAX_LENGTH);
    },
  };
}

const isNotTheAuthors = (file: string): boolean =>
  file.startsWith("node:") || file === HOST_FILE || file === SDK_SOURCE;

interface Frame {
  readonly before: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly after: string;
  readonly marks: string;
}

function frameIn(line: string): Frame | undefined {
  if (line.length > FRAME_MAX_LENGTH) return undefined;
  const [, before = "", file = "", row = "", column = "", after = "", marks = ""] = FRAME.exec(line) ?? [];
  return file === "" ? undefined : { before, file, line: Number(row), column: Number(column), after, marks };
}

/** How frames and messages can begin the path of a file in the package. */
function foldersOf(packagePath: string): readonly string[] {
  const real = quietly(() => realpathSync(packagePath)) ?? packagePath;
  const paths = real === packagePath ? [packagePath] : [real, packagePath];
  return paths.flatMap((path) => [`${pathToFileURL(path).href}/`, `${path}/`]);
}

const decoded = (path: string): string => quietly(() => decodeURIComponent(path)) ?? path;

function readMap(file: string): SourceMap | undefined {
  return quietly(() => {
    const code = readFileSync(file, "utf8");
    const start = code.lastIndexOf(SOURCE_MAP_MARK);
    if (start === -1) return undefined;
    const json = Buffer.from(code.slice(start + SOURCE_MAP_MARK.length), "base64").toString();
    return new SourceMap(JSON.parse(json) as ConstructorParameters<typeof SourceMap>[0]);
  });
}

/** A job can change its files and the language. Then its stacks are shown as they are. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/**
 * From now on every stack in this process that is read has lines of the source: also those that a job prints or sends to a
 * service of its own. A job that sets its own `Error.prepareStackTrace` gets what it wants.
 */
export function showSourceLines({ mapped }: Pick<SourceLines, "mapped">): void {
  const format = Error.prepareStackTrace.bind(Error);
  Error.prepareStackTrace = (error, sites) => {
    const stack: unknown = format(error, sites);
    return typeof stack === "string" ? (quietly(() => mapped(stack)) ?? stack) : stack;
  };
}
