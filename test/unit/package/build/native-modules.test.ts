import { describe, expect, it } from "vitest";
import type { PackagePlatform } from "../../../../runtime/core/package/manifest.ts";
import { binaryPlatform } from "../../../../runtime/core/package/program-file.ts";
import { packPackage } from "../../../../runtime/package/build/pack.ts";
import { unpackPackage } from "../../../../runtime/worker/package-cache/unpack.ts";
import { sourcePackage } from "../../../support/packages/source-package.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const LINUX: PackagePlatform = { os: "linux", arch: "x64", libc: "glibc" };
const MUSL: PackagePlatform = { os: "linux", arch: "x64", libc: "musl" };
const MAC: PackagePlatform = { os: "darwin", arch: "arm64" };

/** The first bytes of a program, as many as the checks read. */
function elf(machine: number): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes.writeUInt8(1, 5);
  bytes.writeUInt16LE(machine, 18);
  return bytes;
}
function machO(machine: number): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32LE(0xfeedfacf, 0);
  bytes.writeUInt32LE(machine, 4);
  return bytes;
}
function windows(machine: number): Buffer {
  const bytes = Buffer.alloc(128);
  bytes.write("MZ");
  bytes.writeUInt32LE(64, 0x3c);
  bytes.write("PE", 64);
  bytes.writeUInt16LE(machine, 68);
  return bytes;
}
const LINUX_X64 = elf(0x3e);

const importing = (name: string) => ({
  "job.ts": `import ${JSON.stringify(name)};\nimport { defineJob } from "jobyard/job";\nexport default defineJob({ jobType: "A", run() {} });`,
});
const module = (name: string, json: object, files: Readonly<Record<string, string | Uint8Array>> = {}) =>
  Object.fromEntries(
    Object.entries({
      "package.json": JSON.stringify({ name, version: "1.0.0", main: "index.js", ...json }),
      "index.js": "exports.name = 1;",
      ...files,
    }).map(([file, content]) => [`node_modules/${name}/${file}`, content]),
  );

async function pack(files: Readonly<Record<string, string | Uint8Array>>, target = LINUX) {
  await using source = await sourcePackage(files);
  const { manifest, zip, warnings } = await packPackage({ directory: source.path, target });
  await using root = await temporaryDirectory();
  const tree = await unpackPackage({ bytes: zip, directory: `${root.path}/package` });
  return { manifest, warnings, copied: tree.files.filter((file) => file.startsWith("node_modules/")) };
}

/** A module with one build for each platform. npm has installed the given ones. */
const perPlatform = (installed: readonly string[]) => ({
  ...module("image", {
    dependencies: { helper: "1" },
    optionalDependencies: { "@image/linux-x64": "1", "@image/linuxmusl-x64": "1", "@image/darwin-arm64": "1" },
  }),
  ...module("helper", {}, { "index.d.ts": "export {}", "index.js.map": "{}", LICENSE: "free" }),
  ...(Object.assign(
    {},
    ...installed.map((name) => {
      const os = name.startsWith("darwin") ? "darwin" : "linux";
      const libc = name.startsWith("linuxmusl") ? "musl" : "glibc";
      return module(
        `@image/${name}`,
        { os: [os], cpu: [name.split("-")[1]], ...(os === "linux" ? { libc: [libc] } : {}) },
        {
          "image.node": os === "linux" ? LINUX_X64 : machO(0x0100000c),
        },
      );
    }),
  ) as Record<string, string>),
});

describe("packing native modules", () => {
  const all = ["linux-x64", "linuxmusl-x64", "darwin-arm64"];
  it.each([
    [LINUX, "linux-x64"],
    [MUSL, "linuxmusl-x64"],
    [MAC, "darwin-arm64"],
  ])("packing copies only the build for %j and its dependencies", async (target, build) => {
    const { manifest, copied } = await pack({ ...importing("image"), ...perPlatform(all) }, target);
    expect(manifest.platform).toEqual(target);
    expect(copied).toEqual(
      [
        ...["image.node", "index.js", "package.json"].map((file) => `node_modules/@image/${build}/${file}`),
        ...["LICENSE", "index.js", "package.json"].map((file) => `node_modules/helper/${file}`),
        ...["index.js", "package.json"].map((file) => `node_modules/image/${file}`),
      ].sort(),
    );
  });

  it("a missing native build is reported with the command that installs it", async () => {
    await expect(pack({ ...importing("image"), ...perPlatform(["linux-x64"]) }, MAC)).rejects.toThrow(
      "image is not installed for the target platform (@image/darwin-arm64 is missing). Run: npm install --os=darwin --cpu=arm64",
    );
  });

  it("a missing dependency of a native module is reported", async () => {
    const files = { ...importing("image"), ...perPlatform(all), "node_modules/helper/package.json": "not json" };
    await expect(pack(files)).rejects.toThrow("image needs helper, which is not installed. Run: npm install");
  });

  it("packing detects a native module, also as a dependency of a bundled one", async () => {
    const { copied } = await pack({
      ...importing("plain"),
      ...module("plain", { dependencies: { native: "1" } }, { "index.js": 'require("native");' }),
      ...module("native", {}, { "build/Release/native.node": LINUX_X64, "src/native.cc": "", "binding.gyp": "" }),
    });
    expect(copied).toEqual([
      "node_modules/native/build/Release/native.node",
      "node_modules/native/index.js",
      "node_modules/native/package.json",
    ]);
  });

  it("packing refuses a native module for another platform", async () => {
    const files = { ...importing("native"), ...module("native", {}, { "build/native.node": LINUX_X64 }) };
    await expect(pack(files, MAC)).rejects.toThrow(
      "node_modules/native/build/native.node was built for linux-x64, but the package is for darwin-arm64.",
    );
  });

  it("packing copies only matching prebuilt binaries", async () => {
    const { copied } = await pack({
      ...importing("native"),
      ...module(
        "native",
        {},
        {
          "prebuilds/linux-x64/a.node": LINUX_X64,
          "prebuilds/darwin-x64+arm64/a.node": machO(0x0100000c),
          "prebuilds/win32-x64/a.node": windows(0x8664),
        },
      ),
    });
    expect(copied.filter((file) => file.includes("prebuilds"))).toEqual([
      "node_modules/native/prebuilds/linux-x64/a.node",
    ]);
  });

  it("packing copies listed modules, with dependencies in two versions if they differ", async () => {
    const { manifest, copied } = await pack({
      ...importing("listed"),
      "package.json": '{ "name": "sample", "jobyard": { "external": ["listed", "other"] } }',
      "more.ts":
        'import "other";\nimport { defineJob } from "jobyard/job";\nexport default defineJob({ jobType: "B", run() {} });',
      ...module("listed", {
        dependencies: { shared: "1" },
        peerDependencies: { peer: "1", absent: "1", driver: "1" },
        peerDependenciesMeta: { absent: { optional: true }, driver: { optional: true } },
      }),
      ...module("other", { dependencies: { shared: "2" } }),
      ...module("shared", { version: "1.0.0" }),
      ...module("peer", {}),
      ...module("driver", {}),
      "node_modules/other/node_modules/shared/package.json": '{ "name": "shared", "version": "2.0.0" }',
    });
    expect(manifest.platform).toBe("any");
    expect(copied.filter((file) => file.endsWith("package.json"))).toEqual([
      "node_modules/driver/package.json",
      "node_modules/listed/package.json",
      "node_modules/other/node_modules/shared/package.json",
      "node_modules/other/package.json",
      "node_modules/peer/package.json",
      "node_modules/shared/package.json",
    ]);
  });

  it("packing copies a listed module without an import, and refuses one that is not installed", async () => {
    const files = (external: readonly string[]) => ({
      ...importing("plain"),
      ...module("plain", {}),
      ...module("plug-in", {}),
      "package.json": JSON.stringify({ name: "sample", jobyard: { external } }),
    });
    expect((await pack(files(["plug-in"]))).copied).toContain("node_modules/plug-in/index.js");
    await expect(pack(files(["plug-out"]))).rejects.toThrow("jobyard.external names plug-out, which is not installed.");
  });

  it("packing sets a package's platform by its programs, and warns of those that do not match", async () => {
    const files = {
      "package.json":
        '{ "name": "sample", "jobyard": { "files": ["bin"], "jobs": [{ "jobType": "A", "command": "./bin/tool" }] } }',
      "bin/tool": LINUX_X64,
    };
    expect((await pack(files)).manifest.platform).toEqual(LINUX);
    const { warnings } = await pack({ ...files, "bin/tool.exe": windows(0x8664) });
    expect(warnings).toEqual(["bin/tool.exe was built for win32-x64, but the package is for linux-x64."]);
  });
});

describe("binaryPlatform", () => {
  it.each([
    [elf(0x3e), "linux-x64"],
    [elf(0xb7), "linux-arm64"],
    [machO(0x01000007), "darwin-x64"],
    [machO(0x0100000c), "darwin-arm64"],
    [windows(0x8664), "win32-x64"],
    [windows(0xaa64), "win32-arm64"],
    [Buffer.from("#!/bin/sh\n".padEnd(100)), undefined],
    [Buffer.from("MZ".padEnd(100, "\u00ff")), undefined],
    [Buffer.alloc(3), undefined],
  ])("binaryPlatform returns the platform of a file", (content, expected) => {
    const platform = binaryPlatform(content);
    expect(platform === undefined ? undefined : `${platform.os}-${platform.arch}`).toBe(expected);
  });

  it.runIf(process.platform === "linux")("binaryPlatform recognises the running Node program", async () => {
    const { open } = await import("node:fs/promises");
    await using file = await open(process.execPath);
    const { buffer } = await file.read(Buffer.alloc(128), 0, 128);
    expect(binaryPlatform(buffer)).toEqual({ os: "linux", arch: process.arch });
  });
});
