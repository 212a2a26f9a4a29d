/** Which packages run on this machine. */
import { PackageError } from "../../core/errors.ts";
import type { Manifest, PackagePlatform } from "../../core/manifest.ts";

export function currentPlatform(): PackagePlatform {
  const { platform: os, arch } = process;
  return os === "linux" ? { os, arch, libc: usesGlibc() ? "glibc" : "musl" } : { os, arch };
}

function usesGlibc(): boolean {
  // Without this, the report looks up a name for every open connection.
  (process.report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime !== undefined;
}

/** Throws PackageError "PlatformMismatch". */
export function checkPlatform({ name, platform }: Manifest, here: PackagePlatform): void {
  if (platform === "any") return;
  const libcDiffers = platform.libc !== undefined && here.libc !== undefined && platform.libc !== here.libc;
  if (platform.os === here.os && platform.arch === here.arch && !libcDiffers) return;
  const message = `Package ${name} was packed for ${show(platform)}, and this worker is ${show(here)}. Pack it for the workers' platform.`;
  throw new PackageError("PlatformMismatch", message);
}

const show = ({ os, arch, libc }: PackagePlatform): string => [os, arch, libc].filter(Boolean).join("-");
