/** ZIPs that must be refused, each with its code under small limits and a part of the message. */
import { crc32 } from "node:zlib";
import type { PackageCode } from "../../../runtime/core/errors.ts";
import { UNPACK_LIMITS, type UnpackLimits } from "../../../runtime/package/read/judge.ts";
import { type ZipEntry, buildZip } from "./zip-builder.ts";

/** Small enough that a test can exceed each. */
export const SMALL_LIMITS: UnpackLimits = {
  ...UNPACK_LIMITS,
  packageBytes: 1_000_000,
  entries: 100,
  fileBytes: 200_000,
  unpackedBytes: 300_000,
  ratioThresholdBytes: 50_000,
};

export const EMPTY_MANIFEST: ZipEntry = { name: "job.json", content: "{}" };
export const zeros = (bytes: number) => new Uint8Array(bytes);
/** Hardly compressible, the same every time. */
export function noise(bytes: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: bytes }, () => (state = (state * 48_271) % 2_147_483_647) & 0xff);
}

/** Info-ZIP's field, which other readers prefer to the name in the header. */
function unicodeName(name: string): Buffer {
  const field = Buffer.alloc(9);
  field.writeUInt16LE(0x7075, 0);
  field.writeUInt16LE(5 + name.length, 2);
  field.writeUInt8(1, 4);
  field.writeUInt32LE(crc32("job.json"), 5);
  return Buffer.concat([field, Buffer.from(name)]);
}

export const HOSTILE_PACKAGES: readonly [name: string, archive: Buffer, code: PackageCode, message: string][] = [
  ["a path above the package", buildZip([EMPTY_MANIFEST, { name: "../x" }]), "PackageUnsafe", '"../x" contains ".."'],
  ["a path that goes up and down", buildZip([{ name: "a/../../x" }]), "PackageUnsafe", 'contains ".."'],
  ["a directory above the package", buildZip([{ name: "../x/" }]), "PackageUnsafe", 'contains ".."'],
  ["an absolute path", buildZip([{ name: "/etc/cron.d/x" }]), "PackageUnsafe", "is absolute"],
  ["a drive letter", buildZip([{ name: "C:/x" }]), "PackageUnsafe", "is absolute"],
  ["a backslash", buildZip([{ name: "..\\x" }]), "PackageUnsafe", "contains a backslash"],
  ["an empty name", buildZip([{ name: "" }]), "PackageUnsafe", "is empty"],
  ["the root itself", buildZip([{ name: "/" }]), "PackageUnsafe", "is empty"],
  ["a control character", buildZip([{ name: "a\u0000.js" }]), "PackageUnsafe", '"a\\u0000.js" contains control'],
  ["a name that reads backwards", buildZip([{ name: "a\u202egnp.js" }]), "PackageUnsafe", "invisible"],
  ["a name that is not UTF-8", buildZip([{ name: Buffer.from([0x61, 0xff]) }]), "PackageUnsafe", "not UTF-8"],
  ["a byte order mark", buildZip([{ name: "\ufeffjob.json" }]), "PackageUnsafe", "invisible"],
  ["a line separator", buildZip([{ name: "a\u2028b" }]), "PackageUnsafe", "invisible"],
  ["a stream of another file", buildZip([{ name: "job.json::$DATA" }]), "PackageUnsafe", "contains one of"],
  [
    "a name that a terminal obeys",
    buildZip([{ name: Buffer.from("\u001b[2J\u00ff", "latin1") }]),
    "PackageUnsafe",
    String.raw`not UTF-8: "\u001b[2J`,
  ],
  [
    "a bad name that a terminal obeys",
    buildZip([{ name: "a\u009b\u202eb", local: { name: "other" } }]),
    "PackageCorrupt",
    String.raw`"a\u009b\u202eb"`,
  ],
  ["a device name", buildZip([{ name: "data/nul.txt" }]), "PackageUnsafe", "device on Windows"],
  ["a long name", buildZip([{ name: "x".repeat(300) }]), "PackageUnsafe", "longer than 255 bytes"],
  ["a long path", buildZip([{ name: "x/".repeat(300) + "x" }]), "PackageUnsafe", "longer than 400"],
  [
    "a symbolic link",
    buildZip([{ name: "a", content: "/etc", mode: 0o120777 }]),
    "PackageUnsafe",
    "neither a plain file",
  ],
  ["a device", buildZip([{ name: "a", mode: 0o020666 }]), "PackageUnsafe", "neither a plain file"],
  ["a pipe", buildZip([{ name: "a", mode: 0o010666 }]), "PackageUnsafe", "neither a plain file"],
  ["a directory named as a file", buildZip([{ name: "a", mode: 0o040755 }]), "PackageUnsafe", "neither a plain file"],
  ["a link named as a directory", buildZip([{ name: "a/", mode: 0o120777 }]), "PackageUnsafe", "neither a plain file"],
  ["the same file twice", buildZip([EMPTY_MANIFEST, EMPTY_MANIFEST]), "PackageUnsafe", "are the same file"],
  [
    "files differing in case",
    buildZip([{ name: "A" }, { name: "a" }]),
    "PackageUnsafe",
    '"A" and "a" are the same file',
  ],
  ["files differing in composition", buildZip([{ name: "\u00e9" }, { name: "e\u0301" }]), "PackageUnsafe", "same file"],
  ["directories differing in case", buildZip([{ name: "A/x" }, { name: "a/y" }]), "PackageUnsafe", "same directory"],
  ["the same directory twice", buildZip([{ name: "a/" }, { name: "a/" }]), "PackageUnsafe", "occurs twice"],
  ["a file, then below it", buildZip([{ name: "a" }, { name: "a/b" }]), "PackageUnsafe", "both a file and a directory"],
  ["below a file, then it", buildZip([{ name: "a/b" }, { name: "A" }]), "PackageUnsafe", "both a file and a directory"],
  ["a file and a directory", buildZip([{ name: "a/" }, { name: "a" }]), "PackageUnsafe", "both a file and a directory"],
  ["encryption", buildZip([{ ...EMPTY_MANIFEST, flags: 0x801 }]), "PackageUnsafe", "is encrypted"],
  [
    "encryption said in one place",
    buildZip([{ ...EMPTY_MANIFEST, local: { flags: 0x801 } }]),
    "PackageUnsafe",
    "is encrypted",
  ],
  ["strong encryption", buildZip([{ ...EMPTY_MANIFEST, flags: 0x841 }]), "PackageCorrupt", "strong encryption"],
  ["an unknown compression", buildZip([{ ...EMPTY_MANIFEST, method: 14 }]), "PackageCorrupt", "compression method 14"],
  [
    "a local header elsewhere",
    buildZip([EMPTY_MANIFEST, { name: "b", offset: 9_999 }]),
    "PackageCorrupt",
    'no local header of entry "b"',
  ],
  [
    "a bad local header",
    buildZip([{ ...EMPTY_MANIFEST, local: { signature: 1 } }]),
    "PackageCorrupt",
    "no local header",
  ],
  [
    "two names",
    buildZip([{ ...EMPTY_MANIFEST, local: { name: "other.js" } }]),
    "PackageCorrupt",
    "two different names",
  ],
  [
    "two methods",
    buildZip([{ ...EMPTY_MANIFEST, local: { method: 0 } }]),
    "PackageCorrupt",
    "two different compression methods",
  ],
  [
    "a second name in a field of its own",
    buildZip([{ ...EMPTY_MANIFEST, extra: unicodeName("../evil") }]),
    "PackageCorrupt",
    "two different names",
  ],
  ["two sizes", buildZip([{ ...EMPTY_MANIFEST, local: { bytes: 7 } }]), "PackageCorrupt", "two different sizes"],
  ["truncated data", buildZip([{ ...EMPTY_MANIFEST, compressedBytes: 5_000 }]), "PackageCorrupt", "truncated data"],
  [
    "a wrong checksum",
    buildZip([{ ...EMPTY_MANIFEST, crc32: 1 }]),
    "PackageCorrupt",
    '"job.json" does not match its checksum',
  ],
  [
    "a wrong checksum, stored",
    buildZip([{ ...EMPTY_MANIFEST, stored: true, crc32: 1 }]),
    "PackageCorrupt",
    "does not match",
  ],
  [
    "more than it declares",
    buildZip([{ name: "a", content: noise(900), bytes: 10 }]),
    "PackageCorrupt",
    "larger than the 10",
  ],
  [
    "one byte more than it declares",
    buildZip([{ name: "a", content: noise(11), bytes: 10 }]),
    "PackageCorrupt",
    "has 11 bytes instead of the 10",
  ],
  [
    "less than it declares",
    buildZip([{ name: "a", content: "abc", bytes: 10 }]),
    "PackageCorrupt",
    "has 3 bytes instead",
  ],
  [
    "a bomb that lies",
    buildZip([{ name: "a", content: zeros(5_000_000), bytes: 10 }]),
    "PackageCorrupt",
    "larger than the 10",
  ],
  [
    "data that is no deflate stream",
    buildZip([{ name: "a", content: "\u0007abc", stored: true, method: 8 }]),
    "PackageCorrupt",
    '"a"',
  ],
  ["a directory with content", buildZip([{ name: "a/", content: "abc" }]), "PackageCorrupt", "directory with content"],
  ["a bomb", buildZip([{ name: "a", content: zeros(150_000) }]), "PackageTooLarge", "times; at most 200 times"],
  ["a large file", buildZip([{ name: "a", content: noise(200_001) }]), "PackageTooLarge", "at most 200000 are allowed"],
  [
    "a large sum",
    buildZip(["a", "b"].map((name) => ({ name, content: noise(160_000) }))),
    "PackageTooLarge",
    "unpacks to 320000",
  ],
  ["a large archive", Buffer.alloc(1_000_001), "PackageTooLarge", "The package has 1000001 bytes"],
  [
    "too many entries",
    buildZip(Array.from({ length: 101 }, (_, i) => ({ name: `f${i}` }))),
    "PackageTooLarge",
    "101 entries",
  ],
  ["entries that are not there", buildZip([EMPTY_MANIFEST], { entryCount: 3 }), "PackageCorrupt", "not a readable ZIP"],
  [
    "entries that are not counted",
    buildZip([EMPTY_MANIFEST, { name: "b" }], { entryCount: 1 }),
    "PackageCorrupt",
    "declared length",
  ],
  ["no entry that is counted", buildZip([EMPTY_MANIFEST], { entryCount: 0 }), "PackageCorrupt", "declared length"],
  [
    "an archive behind another",
    buildZip([], { trailing: buildZip([EMPTY_MANIFEST]) }),
    "PackageCorrupt",
    "not a readable",
  ],
  [
    "a program before its beginning",
    Buffer.concat([Buffer.from("#!/bin/sh\n"), buildZip([EMPTY_MANIFEST])]),
    "PackageCorrupt",
    "not a readable ZIP",
  ],
  ["nothing", Buffer.alloc(0), "PackageCorrupt", "not a readable ZIP"],
  ["something else", Buffer.from("<html>not found</html>".repeat(20)), "PackageCorrupt", "not a readable ZIP"],
  [
    "bytes after its end",
    buildZip([EMPTY_MANIFEST], { trailing: Buffer.from("more") }),
    "PackageCorrupt",
    "not a readable ZIP",
  ],
];
