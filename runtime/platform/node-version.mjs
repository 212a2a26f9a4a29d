/** Plain JavaScript, so that a Node too old to read TypeScript can still say so. */

const NEEDED = [22, 18];

/** One sentence when this Node cannot run the project; undefined when it can. */
export function nodeVersionProblem(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [neededMajor = 0, neededMinor = 0] = NEEDED;
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return undefined;
  return `Jobyard needs Node ${NEEDED.join(".")} or newer, and this is Node ${version}: run it through npm (npm run …), which uses the Node that npm ci installed, put node_modules/.bin first on the PATH, or install a newer one.`;
}
