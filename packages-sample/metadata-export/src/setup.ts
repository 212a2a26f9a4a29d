/** What the timers of this package share: made once per process, given to each as `ctx.services`. */
import { join } from "node:path";
import type { Setup } from "jobyard/job";
import { type Catalog, openCatalog } from "./catalog.ts";

export interface Services {
  readonly catalog: Catalog;
}

export const setup: Setup<Services> = ({ packagePath }) => ({ catalog: openCatalog(join(packagePath, "data")) });
