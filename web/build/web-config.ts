/** How Vite builds the pages, and serves them while they are developed (`npm run web:dev`). */
import { join } from "node:path";
import type { InlineConfig } from "vite";

/** Where the system under development answers. Default: that of `npm start`. */
const API = process.env["JOBYARD_URL"] ?? "http://127.0.0.1:7070";

export const WEB_CONFIG = {
  root: join(import.meta.dirname, ".."),
  configFile: false,
  clearScreen: false,
  // Every address is the API's own, so that one policy names all that a page may load.
  build: {
    write: false,
    target: ["chrome125", "firefox128", "safari17.5"],
    modulePreload: { polyfill: false },
    // A style in a page would need another policy.
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    reportCompressedSize: false,
  },
  server: {
    port: Number(process.env["JOBYARD_WEB_PORT"] ?? 7171),
    strictPort: true,
    host: "127.0.0.1",
    proxy: Object.fromEntries(["/v1", "/openapi.json", "/readyz", "/healthz"].map((path) => [path, API])),
  },
} satisfies InlineConfig;
