/** Checks Node's version. Plain JavaScript, so that it also runs on a Node that is too old for TypeScript. */

const NEEDED = [22, 18];

/** The reason why this Node cannot run the project; undefined if it can. */
export function nodeVersionProblem(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [neededMajor = 0, neededMinor = 0] = NEEDED;
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return undefined;
  return `Jobyard needs Node ${NEEDED.join(".")} or newer, and this is Node ${version}. Run it through npm (npm run …), which uses the Node that npm ci installed. Or put node_modules/.bin first on the PATH, or install a newer Node.`;
}
