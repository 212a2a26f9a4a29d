/** Bundling options for Node: ES modules that provide the globals of CommonJS. */
import type { BuildOptions } from "esbuild";

/** CommonJS globals for bundled code, under names that no bundled module declares. */
const BANNER = [
  'import { createRequire as __jobyardCreateRequire } from "node:module";',
  "const require = __jobyardCreateRequire(import.meta.url);",
  "const __jobyardFilename = import.meta.filename, __jobyardDirname = import.meta.dirname;",
].join("\n");

export const NODE_BUNDLE = {
  bundle: true,
  write: false,
  format: "esm",
  platform: "node",
  target: "node24",
  // Class names appear in errors and logs, and some libraries compare them.
  keepNames: true,
  charset: "utf8",
  logLevel: "silent",
  banner: { js: BANNER },
  define: { __filename: "__jobyardFilename", __dirname: "__jobyardDirname" },
} satisfies BuildOptions;
