/** `jobyard init <directory>`: creates a package that packs, runs and passes its test, as a start for your own. */
import { copyFile, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { TIMER_NAME_MAX_LENGTH } from "../../core/limits.ts";
import { show } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { IS_CLONE, OWN_FOLDER, type OwnPackage, ownPackage } from "../own-package.ts";
import type { Surroundings } from "../terminal.ts";
import { type NewPackage, filesOf } from "./init-files.ts";

const NAME = /^[a-z][a-z0-9-]*$/;
/** For tarballs that come from no registry. Committed with the package. */
const VENDOR = "vendor";
const PLACEHOLDER = /^@your-scope\//;

/** `--no`: no package of this name from the public registry. */
const JOBYARD = "npx --no jobyard";

interface InitOptions {
  readonly timer?: true;
  readonly from?: string;
  readonly json?: true;
}

export async function init(options: InitOptions, { terminal }: Surroundings, given: string): Promise<void> {
  const directory = resolve(given);
  const name = basename(directory);
  if (!NAME.test(name))
    throw new UsageError(`${name}: a package name can contain only lower-case letters, digits and hyphens.`);
  const isTimer = options.timer === true;
  if (isTimer && name.length > TIMER_NAME_MAX_LENGTH)
    throw new UsageError(`${name}: a timer name can have at most ${TIMER_NAME_MAX_LENGTH} characters.`);
  const own = ownPackage();
  const source = await sourceOf(directory, own, options.from);
  await mkdir(directory, { recursive: true });
  if ((await readdir(directory)).length > 0) throw new UsageError(`${given} is not empty.`);

  const created: NewPackage = {
    name,
    scope: own.name.replace(/\/.*$/, ""),
    // A timer takes the name of its file.
    jobType: isTimer ? name : typeOf(name),
    isTimer,
    jobyard: source.dependency,
    isInClone: source.isInClone,
    versionOf: (module) => own.versionOf(module),
  };
  const files = filesOf(created);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, file)), { recursive: true });
    await writeFile(join(directory, file), text);
  }
  if (source.tarball !== undefined) {
    await mkdir(join(directory, VENDOR));
    await copyFile(source.tarball, join(directory, VENDOR, basename(source.tarball)));
  }
  const { jobType } = created;
  // In a clone commands run at its root, elsewhere in the package's folder.
  const folder = source.isInClone ? given : ".";
  const zip = source.isInClone ? `${given}/dist/${name}.zip` : `dist/${name}.zip`;
  const parameters = isTimer ? "" : ` --parameters '{"name":"world"}'`;
  show(terminal, options, { directory, name, jobType, files: Object.keys(files) }, () =>
    [
      `Made ${given} with the ${isTimer ? "timer" : "job"} ${jobType}. Next:`,
      ...(source.isInClone ? [] : [`  cd ${given}`]),
      "  npm install",
      `  ${JOBYARD} run ${folder} --type ${jobType}${parameters}`,
      `  ${JOBYARD} pack ${folder}`,
      `  ${JOBYARD} publish ${zip}`,
      ...(isTimer ? [] : [`  ${JOBYARD} submit --type ${jobType} --package ${name}.zip${parameters} --wait`]),
    ].join("\n"),
  );
}

interface Source {
  /** As package.json names it. Valid on every machine that has the package's folder, or the clone. */
  readonly dependency: string;
  readonly isInClone: boolean;
  /** To be copied into the package. */
  readonly tarball: string | undefined;
}

/** Where the package gets `jobyard` from. */
async function sourceOf(directory: string, { name, version }: OwnPackage, from: string | undefined): Promise<Source> {
  const toRoot = relative(directory, OWN_FOLDER);
  const isInClone = IS_CLONE && !relative(OWN_FOLDER, directory).startsWith("..");
  if (from !== undefined) {
    const isFile = await stat(from)
      .then((stats) => stats.isFile())
      .catch(() => false);
    if (!isFile || !from.endsWith(".tgz")) throw new UsageError(`${from} is no tarball of npm (.tgz).`);
    return { dependency: `file:${VENDOR}/${basename(from)}`, isInClone, tarball: from };
  }
  if (isInClone) return { dependency: `file:${toRoot}`, isInClone, tarball: undefined };
  if (PLACEHOLDER.test(name))
    throw new UsageError(
      `${name} is a placeholder that no registry has, so npm could not install it in ${directory}. ` +
        "Choose a folder in packages/ of the clone. Or make a tarball there with npm run build:package, and repeat with --from dist/….tgz.",
    );
  return { dependency: `npm:${name}@^${version}`, isInClone, tarball: undefined };
}

/** year-end → YearEnd */
const typeOf = (name: string): string =>
  name.replace(/(^|-)(\w?)/g, (_all, _dash, letter: string) => letter.toUpperCase());
