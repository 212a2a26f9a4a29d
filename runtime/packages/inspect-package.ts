/**
 * Finds everything a worker would refuse a package for, without unpacking it: asked before a package becomes visible, so
 * that a broken one fails its author and not the jobs. Which machine it runs on is the one thing it cannot know.
 */
import { createHash } from "node:crypto";
import { MANIFEST_FILE, parseManifest, type Manifest } from "../core/manifest.ts";
import { PROGRAM_HEAD_BYTES } from "../core/program-file.ts";
import { openPackage } from "./open-package.ts";
import { checkEntryPoints, manifestMissing, type ProgramFile } from "./check-manifest.ts";
import { readContent } from "./content.ts";
import type { UnpackLimits } from "./judge.ts";

export interface InspectedPackage {
  readonly manifest: Manifest;
  /** Of the ZIP, in hexadecimal: what tells versions apart. */
  readonly sha256: string;
}

/** Throws PackageError. Inflates one file after the other: as much memory as the largest takes. */
export async function inspectPackage(given: Uint8Array, limits?: UnpackLimits): Promise<InspectedPackage> {
  const { bytes, plan } = await openPackage(given, limits);
  let manifestBytes: Uint8Array | undefined;
  const files = new Map<string, ProgramFile>();
  for (const file of plan.files) {
    // Read to be checked, and let go.
    const content = await readContent(bytes, file);
    if (file.path === MANIFEST_FILE) manifestBytes = content;
    // A copy: the content itself is let go.
    const head = file.executable ? Uint8Array.from(content.subarray(0, PROGRAM_HEAD_BYTES)) : undefined;
    files.set(file.path, { executable: file.executable, head });
  }
  if (manifestBytes === undefined) throw manifestMissing([...files.keys()]);
  const manifest = parseManifest(manifestBytes);
  checkEntryPoints(manifest, files);
  return { manifest, sha256: createHash("sha256").update(bytes).digest("hex") };
}
