// The oldest Node that runs this project's TypeScript as it is. Plain JavaScript, so that any Node can read it and say so.
const MINIMUM = [22, 18];

/** Ends the process with one clear sentence unless this Node is new enough. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) return;
  console.error(
    `Jobyard needs Node ${MINIMUM.join(".")} or newer, and this is ${process.versions.node}. ` +
      "`npm ci` installs a fitting one for this project's scripts; if it could not, install Node 24 and try again.",
  );
  process.exit(1);
}
