/** The guides of `docs/` that are about using the system. Each is loaded when it is read. */

const LOADERS = import.meta.glob<string>(
  "../../../docs/{cli,client,dashboard,errors,events,find,http-api,limits-and-fairness,logs,other-languages,packages,retention,running-jobs,secrets,security,testing,timers}.md",
  { query: "?raw", import: "default" },
);

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1, -".md".length);

/** By name, as `http-api`. */
const GUIDES: ReadonlyMap<string, () => Promise<string>> = new Map(
  Object.entries(LOADERS).map(([path, load]) => [nameOf(path), load]),
);

export const GUIDE_NAMES: readonly string[] = [...GUIDES.keys()];

/** Rejects for a name that is none of them, and when the file does not come. */
export async function readGuide(name: string): Promise<string> {
  const load = GUIDES.get(name);
  if (load === undefined) throw new Error(`There is no guide ${name}.`);
  return load();
}

const TITLES: Readonly<Record<string, string>> = {
  cli: "Command line",
  client: "TypeScript client",
  "http-api": "HTTP API",
};

/** `limits-and-fairness` is "Limits and fairness". */
export const titleOf = (name: string): string =>
  TITLES[name] ?? name.charAt(0).toUpperCase() + name.slice(1).replaceAll("-", " ");

/** What explains the operations of a chapter. */
export const GUIDES_OF: Readonly<Record<string, readonly string[]>> = {
  Jobs: ["http-api", "running-jobs", "find"],
  Batches: ["http-api"],
  Packages: ["packages", "secrets"],
  Timers: ["timers"],
  Pauses: ["limits-and-fairness"],
  Events: ["events"],
  Webhooks: ["events"],
  Workers: ["http-api"],
  "Dead letters": ["http-api"],
  Access: ["security", "retention", "limits-and-fairness"],
};
