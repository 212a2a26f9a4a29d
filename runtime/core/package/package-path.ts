/**
 * Which names a file of a package may have: relative, portable to every file system a worker may run on, and shown to
 * people without surprises. Writer and reader of packages both ask here.
 */

/** Room for the directories above on systems that stop at 260 characters for the whole path is the worker's business. */
const PATH_MAX_LENGTH = 400;
/** Common file systems take 255 bytes a name. */
const SEGMENT_MAX_BYTES = 255;

/** Control characters, and invisible or direction-changing ones that make two different names look alike. */
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd]/;
const RESERVED = /[<>:"|?*]/;
/** Names that mean devices on Windows, whatever their ending. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/i;

const utf8 = new TextEncoder();

/** What is wrong with a file's path inside a package, as the end of a sentence; undefined when nothing is. */
export function packagePathProblem(path: string): string | undefined {
  if (path === "") return "is empty";
  if (path.length > PATH_MAX_LENGTH) return `is longer than ${PATH_MAX_LENGTH} characters`;
  if (!path.isWellFormed() || INVISIBLE.test(path)) return "contains control or invisible characters";
  if (path.includes("\\")) return "contains a backslash; use forward slashes";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "is absolute; use a path relative to the package";
  if (RESERVED.test(path)) return 'contains one of < > : " | ? *';
  for (const segment of path.split("/")) {
    const problem = segmentProblem(segment);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function segmentProblem(segment: string): string | undefined {
  if (segment === "") return "contains an empty name";
  if (segment === "." || segment === "..") return `contains "${segment}"`;
  if (/[. ]$/.test(segment)) return "contains a name that ends with a dot or a space";
  if (DEVICE.test(segment)) return `contains "${segment}", which is a device on Windows`;
  if (utf8.encode(segment).length > SEGMENT_MAX_BYTES) return `contains a name longer than ${SEGMENT_MAX_BYTES} bytes`;
  return undefined;
}

/** Equal for paths that some file system takes for the same file: differing in case or in Unicode composition only. */
export const packagePathKey = (path: string): string =>
  path.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");

/** A path for messages: shortened, with everything unprintable made visible. */
export function showPath(path: string): string {
  const shown = path.length > 100 ? `${path.slice(0, 97)}…` : path;
  const visible = new RegExp(INVISIBLE.source, "g");
  return `"${shown.replace(visible, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)}"`;
}
