/**
 * Finds everything a worker would refuse a package for, without unpacking it: asked before a package becomes visible, so
 * that a broken one fails its author and not the jobs. Which machine it runs on is the one thing it cannot know.
 */
import { createHash } from "node:crypto";
import { MANIFEST_FILE, parseManifest, type Manifest } from "../core/manifest.ts";
import { openPackage } from "./open-package.ts";
import { checkEntryPoints, manifestMissing } from "./check-manifest.ts";
import { readContent } from "./content.ts";

export interface InspectedPackage {
  readonly manifest: Manifest;
  /** Of the ZIP, in hexadecimal: what tells versions apart. */
  readonly sha256: string;
}

/** Throws PackageError. Inflates one file after the other: as much memory as the largest takes. */
export async function inspectPackage(given: Uint8Array): Promise<InspectedPackage> {
  const { bytes, plan } = await openPackage(given);
  const paths = plan.files.map(({ path }) => path);
  const manifestFile = plan.files.find(({ path }) => path === MANIFEST_FILE);
  if (manifestFile === undefined) throw manifestMissing();
  const manifest = parseManifest((await readContent(bytes, manifestFile)).toString("utf8"));
  checkEntryPoints(manifest, paths);
  // Read to be checked, and let go.
  for (const file of plan.files) await readContent(bytes, file);
  return { manifest, sha256: createHash("sha256").update(bytes).digest("hex") };
}
