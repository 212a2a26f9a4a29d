/**
 * Stops a job for a debugger at the first line of its author's code, and not in ours. Only for the local system. The
 * packages that it loads get a `debugger` statement in front of that line, and source maps that name the author's files.
 */
import { registerHooks } from "node:module";
import { posix } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { SDK_SOURCE, SOURCE_MAP_MARK } from "../../../core/package/source-map-mark.ts";
import type { InspectCommand } from "./messages.ts";

const HOST = "127.0.0.1";

/** Blocks until a debugger is there. Node prints its address, which is then in the job's log. Throws Error. */
export function waitForDebugger({ port, sourceFolder }: InspectCommand, packagePath: string): void {
  // Only here, because every other job starts faster without it.
  const inspector = process.getBuiltinModule("node:inspector");
  inspector.open(port, HOST);
  if (inspector.url() === undefined)
    throw new Error(`Port ${port} is in use, so no debugger can reach this job. Choose another one with --inspect.`);
  const folder = `${pathToFileURL(packagePath).href}/`;
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!url.startsWith(folder) || url.includes("/node_modules/")) return loaded;
      if (loaded.format !== "module" || loaded.source === undefined) return loaded;
      const text = typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source);
      const path = fileURLToPath(url).slice(fileURLToPath(folder).length);
      const source = withSourceFolder(withDebuggerStatement(text), path, sourceFolder);
      return { ...loaded, source };
    },
  });
  inspector.waitForDebugger();
}

/**
 * The bundler begins the code of each module with its path in a comment. Of the author's are those below the package, and
 * files that were not bundled.
 */
const MODULE_COMMENT = /^\/\/ (\S.*\.(?:[cm]?[jt]sx?|json)|jobyard[-:]\S*)$/;
const FOREIGN = /^(?:\.\.\/|(?:.*\/)?node_modules\/|jobyard-entry:)/;
const isForeign = (path: string): boolean => path === SDK_SOURCE || FOREIGN.test(path);

/** Stops once in a process, whatever is loaded first: a package can have several files. No line moves. */
const STOP =
  'if (!globalThis[Symbol.for("jobyard.stopped")]) { globalThis[Symbol.for("jobyard.stopped")] = true; debugger; } ';

/** In front of the first line of the author's code that runs, which no import does. */
export function withDebuggerStatement(code: string): string {
  const lines = code.split("\n");
  let isAuthors = !lines.some((line) => MODULE_COMMENT.test(line));
  let isImport = false;
  for (const [index, line] of lines.entries()) {
    const path = MODULE_COMMENT.exec(line)?.[1];
    if (path !== undefined) {
      isAuthors = !isForeign(path);
      continue;
    }
    isImport ||= /^\s*import\b/.test(line);
    if (isAuthors && !isImport && !/^\s*(?:\/[/*]|\*|$)/.test(line)) {
      lines[index] = `${STOP}${line}`;
      return lines.join("\n");
    }
    if (/["'];?\s*$/.test(line)) isImport = false;
  }
  return code;
}

/** With the author's own files as sources of the map, so that breakpoints in an editor are found. */
export function withSourceFolder(code: string, path: string, sourceFolder: string | undefined): string {
  const start = code.lastIndexOf(SOURCE_MAP_MARK);
  if (start < 0 || sourceFolder === undefined) return code;
  const map = JSON.parse(Buffer.from(code.slice(start + SOURCE_MAP_MARK.length), "base64").toString()) as {
    sources: readonly string[];
  };
  const folder = `${pathToFileURL(sourceFolder).href}/`;
  const sources = map.sources.map((source) => {
    const file = posix.join(posix.dirname(path), source);
    // A file beside the package has no path of this machine in the map.
    return isForeign(file) || file.startsWith("…/") ? source : new URL(encodeURI(file), folder).href;
  });
  return `${code.slice(0, start)}${SOURCE_MAP_MARK}${Buffer.from(JSON.stringify({ ...map, sources })).toString("base64")}\n`;
}
