/** Checks the operating system. Plain JavaScript, so that it runs before anything else is loaded. */

/** The message for native Windows, where job processes cannot be isolated; undefined elsewhere, also in WSL2. */
export const windowsProblem = (platform = process.platform) =>
  platform === "win32"
    ? "Jobyard does not run on Windows itself, but in WSL2. Open a Linux terminal with `wsl` (the first time `wsl --install`), clone the repository there, and run npm ci && npm start."
    : undefined;
