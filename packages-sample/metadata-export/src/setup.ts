/** Services that the timers of this package share: created once per process and passed to each as `ctx.services`. */
import { join } from "node:path";
import type { Setup } from "jobyard/job";
import { type Catalog, openCatalog } from "./catalog.ts";

export interface Services {
  readonly catalog: Catalog;
}

export const setup: Setup<Services> = ({ packagePath }) => ({ catalog: openCatalog(join(packagePath, "data")) });
