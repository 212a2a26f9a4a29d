/** `npm run web:dev`: serves the pages from their source against a running system, and loads them again when it changes. */
import { createServer } from "vite";
import { WEB_CONFIG } from "./web-config.ts";

const server = await createServer(WEB_CONFIG);
await server.listen();
server.printUrls();
