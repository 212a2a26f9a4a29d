/** Finds modules below `node_modules` and reads their package.json. */
import { readFile, realpath } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { z } from "zod";

export interface InstalledModule {
  readonly name: string;
  /** The directory of its package.json, links resolved. */
  readonly root: string;
  readonly json: ModuleJson;
}

const names = z.record(z.string(), z.string()).catch({});
const platforms = z
  .union([z.array(z.string()), z.string().transform((one) => [one])])
  .optional()
  .catch(undefined);

/** Malformed fields count as absent, because npm has installed the module nevertheless. */
const moduleJson = z.object({
  name: z.string(),
  version: z.string().catch(""),
  dependencies: names,
  optionalDependencies: names,
  peerDependencies: names,
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().optional() })).catch({}),
  os: platforms,
  cpu: platforms,
  libc: platforms,
});

export type ModuleJson = z.infer<typeof moduleJson>;

/** The module that contains a file; undefined for files outside `node_modules` and for links to source (workspaces). */
export async function moduleOfFile(file: string): Promise<InstalledModule | undefined> {
  const marker = `${sep}node_modules${sep}`;
  const path = await realpath(file).catch(() => file);
  const start = path.lastIndexOf(marker);
  if (start === -1) return undefined;
  const [first = "", second = ""] = path.slice(start + marker.length).split(sep);
  const name = first.startsWith("@") ? join(first, second) : first;
  return readModule(join(path.slice(0, start + marker.length), name));
}

/** The module that code in `from` imports as `name`. Searches upwards as Node does. */
export async function findModule(name: string, from: string): Promise<InstalledModule | undefined> {
  for (let directory = from; ; directory = dirname(directory)) {
    const found = await readModule(join(directory, "node_modules", name));
    if (found !== undefined) return found;
    if (dirname(directory) === directory) return undefined;
  }
}

async function readModule(path: string): Promise<InstalledModule | undefined> {
  try {
    const root = await realpath(path);
    // npm accepts a byte order mark too.
    const text = (await readFile(join(root, "package.json"), "utf8")).replace(/^\ufeff/, "");
    const json = moduleJson.parse(JSON.parse(text));
    return { name: json.name, root, json };
  } catch {
    return undefined;
  }
}
