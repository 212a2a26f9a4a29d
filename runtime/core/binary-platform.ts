/** Reads from its first bytes for which platform a program or library was built. */
import type { PackagePlatform } from "./manifest.ts";

/** Undefined for anything that is not machine code. */
export function binaryPlatform(content: Uint8Array): Pick<PackagePlatform, "os" | "arch"> | undefined {
  if (content.length < 64) return undefined;
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  return elf(view) ?? machO(view) ?? portableExecutable(view);
}

const ELF_MACHINES = new Map([
  [0x03, "ia32"],
  [0x28, "arm"],
  [0x3e, "x64"],
  [0xb7, "arm64"],
]);
const ELF_FREEBSD = 9;

function elf(view: DataView) {
  if (view.getUint32(0) !== 0x7f454c46) return undefined;
  const arch = ELF_MACHINES.get(view.getUint16(18, view.getUint8(5) === 1));
  return arch === undefined ? undefined : { os: view.getUint8(7) === ELF_FREEBSD ? "freebsd" : "linux", arch };
}

const MACH_MACHINES = new Map([
  [0x01000007, "x64"],
  [0x0100000c, "arm64"],
]);

function machO(view: DataView) {
  if (view.getUint32(0, true) !== 0xfeedfacf) return undefined;
  const arch = MACH_MACHINES.get(view.getUint32(4, true));
  return arch === undefined ? undefined : { os: "darwin", arch };
}

const PE_MACHINES = new Map([
  [0x14c, "ia32"],
  [0x8664, "x64"],
  [0xaa64, "arm64"],
]);

function portableExecutable(view: DataView) {
  if (view.getUint16(0) !== 0x4d5a) return undefined;
  const start = view.getUint32(0x3c, true);
  if (start + 6 > view.byteLength || view.getUint32(start) !== 0x50450000) return undefined;
  const arch = PE_MACHINES.get(view.getUint16(start + 4, true));
  return arch === undefined ? undefined : { os: "win32", arch };
}
