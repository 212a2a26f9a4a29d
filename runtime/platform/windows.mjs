/** Plain JavaScript, so that it can be said before anything else is loaded. */

/** One sentence on native Windows, where job processes cannot be isolated; undefined elsewhere, WSL2 included. */
export const windowsProblem = (platform = process.platform) =>
  platform === "win32"
    ? "Jobyard does not run on Windows itself, but it does in WSL2: open a Linux terminal with `wsl` (the first time `wsl --install`), and run npm ci && npm start in a clone there."
    : undefined;
