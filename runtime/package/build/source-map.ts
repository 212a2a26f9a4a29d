/**
 * Makes the source map of a bundled file, and the paths in its comments, fit for a package: small, and the same on every machine. It has no texts of
 * sources, paths as an author knows them, and every position of the author's code. Of libraries it has the file only.
 */
import { dirname, posix, relative, resolve, sep } from "node:path";
import { SDK_SOURCE, SOURCE_MAP_MARK } from "../../core/package/source-map-mark.ts";

export interface MapPlaces {
  /** The folder of the package, to which bundled files are relative. */
  readonly directory: string;
  /** The folder of Jobyard's own code that is in bundles. */
  readonly sdkDirectory: string;
}

interface SourceMap {
  readonly sources: readonly string[];
  readonly mappings: string;
}

/** `path`: of the file in the package. Code without a map stays as it is. */
export function withPortableMap(path: string, code: string, places: MapPlaces): string {
  const start = code.lastIndexOf(SOURCE_MAP_MARK);
  if (start === -1) return code;
  const given = JSON.parse(
    Buffer.from(code.slice(start + SOURCE_MAP_MARK.length), "base64").toString("utf8"),
  ) as SourceMap;
  const folder = dirname(resolve(places.directory, path));
  const names = given.sources.map((source) => nameOf(source, resolve(folder, source), places));
  const map = {
    version: 3,
    // Relative to the file, as readers of maps expect.
    sources: names.map((name) => posix.relative(posix.dirname(path), name)),
    names: [],
    mappings: slimMappings(given.mappings, (source) => isAuthors(names[source] ?? SDK_SOURCE)),
  };
  return `${code.slice(0, start)}${SOURCE_MAP_MARK}${Buffer.from(JSON.stringify(map)).toString("base64")}\n`;
}

/**
 * The bundler begins the code of each module with a comment that has its path. Outside of the package such a path depends on
 * the machine. Lines stay, so that maps hold. `inputs`: the modules, as the bundler names them.
 */
export function withPortableComments(code: string, inputs: readonly string[], places: MapPlaces): string {
  const outside = inputs.filter((input) => input.startsWith("../"));
  if (outside.length === 0) return code;
  const names = new Map(
    outside.map((input) => [`// ${input}`, `// ${nameOf(input, resolve(places.directory, input), places)}`]),
  );
  return code
    .split("\n")
    .map((line) => names.get(line) ?? line)
    .join("\n");
}

const LIBRARIES = "node_modules/";

const isAuthors = (name: string): boolean => !name.startsWith(LIBRARIES) && name !== SDK_SOURCE;

/** Folders shown of a file beside the package, as in a workspace. More of its path belongs to this machine. */
const OUTSIDE_SHOWN = 3;

function nameOf(source: string, file: string, { directory, sdkDirectory }: MapPlaces): string {
  // A module without a file, which the bundler made.
  if (/^[\w-]{2,}:/.test(source) || isBelow(sdkDirectory, file)) return SDK_SOURCE;
  const path = slashes(file);
  const library = path.lastIndexOf(`/${LIBRARIES}`);
  if (library !== -1) return path.slice(library + 1);
  const own = slashes(relative(directory, file));
  return own.startsWith("../") ? posix.join("…", ...path.split("/").slice(-OUTSIDE_SHOWN)) : own;
}

const slashes = (path: string): string => path.replaceAll("\\", "/");
const isBelow = (folder: string, file: string): boolean => file.startsWith(folder + sep);

// --- Mappings: segments of numbers in base 64, each the difference to the one before ---------------------------------

interface Position {
  source: number;
  line: number;
  column: number;
}

/** Keeps each segment of the author's code. Of other code the first of a run is enough to end the author's. */
function slimMappings(mappings: string, isKept: (source: number) => boolean): string {
  const from: Position = { source: 0, line: 0, column: 0 };
  const to: Position = { source: 0, line: 0, column: 0 };
  let last: number | undefined;

  function slimLine(line: string): string {
    let columnFrom = 0;
    let columnTo = 0;
    const segments: string[] = [];
    for (const segment of line === "" ? [] : line.split(",")) {
      const [column = 0, source, sourceLine = 0, sourceColumn = 0] = decode(segment);
      columnFrom += column;
      if (source === undefined) continue;
      from.source += source;
      from.line += sourceLine;
      from.column += sourceColumn;
      if (from.source === last && !isKept(from.source)) continue;
      last = from.source;
      const step = [columnFrom - columnTo, from.source - to.source, from.line - to.line, from.column - to.column];
      segments.push(step.map(encode).join(""));
      columnTo = columnFrom;
      Object.assign(to, from);
    }
    return segments.join(",");
  }

  return mappings.split(";").map(slimLine).join(";");
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** Five bits a digit, the lowest first; the sixth says that more follow. The lowest bit of a number is its sign. */
const MORE = 32;

function decode(segment: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value += (digit & (MORE - 1)) << shift;
    shift += 5;
    if ((digit & MORE) !== 0) continue;
    numbers.push((value & 1) === 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return numbers;
}

function encode(number: number): string {
  let rest = (Math.abs(number) << 1) | Number(number < 0);
  let digits = "";
  do {
    const bits = rest & (MORE - 1);
    rest >>>= 5;
    digits += DIGITS.charAt(rest > 0 ? bits | MORE : bits);
  } while (rest > 0);
  return digits;
}
