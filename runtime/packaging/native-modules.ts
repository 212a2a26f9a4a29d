/**
 * Tells modules that contain machine code. They cannot be bundled, and come in one build per platform: inside the
 * module, or as optional dependencies of which npm installs those that fit.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { PackagePlatform } from "../core/manifest.ts";
import type { InstalledModule, ModuleJson } from "./installed-module.ts";

/** Whether a module must be copied instead of bundled. Remembers its answers. */
export function createNativeCheck(): (module: InstalledModule) => Promise<boolean> {
  const answers = new Map<string, Promise<boolean>>();
  return (module) => {
    const known = answers.get(module.root) ?? isNative(module);
    answers.set(module.root, known);
    return known;
  };
}

const isNative = async (module: InstalledModule): Promise<boolean> =>
  Object.keys(module.json.optionalDependencies).some(namesPlatform) || containsMachineCode(module.root);

async function containsMachineCode(directory: string): Promise<boolean> {
  const entries = await readdir(directory, { withFileTypes: true });
  for (const entry of entries) {
    if (entry.isFile() && (entry.name.endsWith(".node") || entry.name === "binding.gyp")) return true;
    if (entry.isDirectory() && entry.name !== "node_modules") {
      if (await containsMachineCode(join(directory, entry.name))) return true;
    }
  }
  return false;
}

const SYSTEMS = ["linux", "linuxmusl", "darwin", "win32", "freebsd", "android"];
const PROCESSORS = ["x64", "arm64", "arm", "ia32", "riscv64", "ppc64", "s390x", "loong64"];

/** "sharp-linuxmusl-x64" → sharp, linuxmusl, x64. */
const wordsOf = (name: string): string[] => name.split(/[^a-z0-9]+/);

/** Whether a dependency's name says for which platform it is, as all modules with a build per platform do. */
function namesPlatform(name: string): boolean {
  const words = wordsOf(name);
  return words.some((word) => SYSTEMS.includes(word)) && words.some((word) => PROCESSORS.includes(word));
}

/** Whether a dependency's name says that it is the build for this platform. */
export function namesThisPlatform(name: string, { os, arch, libc }: PackagePlatform): boolean {
  const words = wordsOf(name);
  if (!words.includes(arch)) return false;
  if (os !== "linux") return words.includes(os);
  const musl = words.includes("linuxmusl") || words.includes("musl");
  return (musl || words.includes("linux")) && musl === (libc === "musl");
}

/** What a module's package.json allows: a list of names, or of names it does not run on ("!win32"). */
export function runsOn({ os, cpu, libc }: ModuleJson, platform: PackagePlatform): boolean {
  return allows(os, platform.os) && allows(cpu, platform.arch) && allows(libc, platform.libc);
}

function allows(list: readonly string[] | undefined, value: string | undefined): boolean {
  if (list === undefined || list.length === 0 || value === undefined) return true;
  if (list.includes(`!${value}`)) return false;
  const wanted = list.filter((name) => !name.startsWith("!"));
  return wanted.length === 0 || wanted.includes(value);
}
