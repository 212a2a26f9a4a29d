/** How code for Node is bundled, whatever it is: ES modules in which CommonJS ones find what they expect. */
import type { BuildOptions } from "esbuild";

/** CommonJS inside ES modules: what the bundled code may expect to find, under names no bundled module declares. */
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
  // Names of classes are shown in errors and logs, and some libraries compare them.
  keepNames: true,
  charset: "utf8",
  logLevel: "silent",
  banner: { js: BANNER },
  define: { __filename: "__jobyardFilename", __dirname: "__jobyardDirname" },
} satisfies BuildOptions;
