/**
 * Pulumi's state in a folder (`pulumi login file://…`) after a kill in the middle of a write. Pulumi replaces the state file
 * in one step, but writes the attributes beside it in place. A backend that is a service has no such files.
 */
import { copyFileSync, existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Mends the files of one stack, and returns a line for each. `backendUrl`: as `pulumi whoami --json` shows it. */
export function mendTornState(backendUrl: string, stack: string): readonly string[] {
  if (!backendUrl.startsWith("file:///")) return [];
  const folder = join(fileURLToPath(backendUrl.replace(/\?.*$/, "")), ".pulumi", "stacks");
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((file) => basename(file).startsWith(`${stack}.json`) && statSync(file).size === 0)
    .flatMap((file) => mend(file, stack));
}

function mend(file: string, stack: string): readonly string[] {
  // They hold no more than the content type and a checksum. Pulumi reads the state without them.
  if (file.endsWith(".attrs")) {
    rmSync(file);
    return [`Removed ${file}, which was empty.`];
  }
  const backup = `${file}.bak`;
  if (basename(file) !== `${stack}.json` || !existsSync(backup)) return [];
  copyFileSync(backup, file);
  return [`Restored ${file}, which was empty, from ${backup}.`];
}
