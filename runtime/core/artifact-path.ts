/** Which paths a file that a job leaves may have: those that are the same as a blob's name, and stay where they are put. */
import { ARTIFACT_PATH_MAX_LENGTH } from "./limits.ts";

/** Storage takes no control characters, and turns a backslash into a slash. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\ufffe\uffff]/;

/** What is wrong with a relative path, as the end of a sentence; undefined when nothing is. */
export function artifactPathProblem(path: string): string | undefined {
  if (path.length > ARTIFACT_PATH_MAX_LENGTH) return `has a path of more than ${ARTIFACT_PATH_MAX_LENGTH} characters`;
  if (!path.isWellFormed()) return "has a name that is not UTF-8";
  if (CONTROL.test(path)) return "has a name with control characters";
  if (path.includes("\\")) return "has a name with a backslash";
  const isStep = (segment: string): boolean => ["", ".", ".."].includes(segment);
  return path.split("/").some(isStep) ? "has a name that is a way and no name" : undefined;
}
