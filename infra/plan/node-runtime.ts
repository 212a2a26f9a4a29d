/**
 * The Node of worker machines, pinned by its checksum. No other Node is ever started there. A new one changes the scale
 * sets' model, so machines get it when they are replaced (docs/deploy.md, "Upgrade").
 */

const VERSION = "24.21.0";

export const NODE_RUNTIME = {
  url: `https://nodejs.org/dist/v${VERSION}/node-v${VERSION}-linux-x64.tar.xz`,
  /** From the line of that file in https://nodejs.org/dist/v{VERSION}/SHASUMS256.txt. */
  sha256: "fd8e59d5a511510f6a298afb548f18c7d2b1be404d8b4a27d94fbe49f56cb2d6",
} as const;
