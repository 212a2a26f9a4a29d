/**
 * What releases have written is read for ever, and what this code writes is on record. After a change of a format, on
 * purpose and by the rules of docs/compatibility.md: `ADD_FORMATS=1 npx vitest run --project unit test/unit/formats`.
 */
import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { type FormatName, FORMATS } from "../../../runtime/core/formats.ts";
import { inspectPackage } from "../../../runtime/package/read/inspect-package.ts";
import { packPackage } from "../../../runtime/package/build/pack.ts";
import { addFixtures, asStored, type Example, formatFixtures, packageFixtures } from "./format-fixtures.ts";
import { formatSamples } from "./format-samples.ts";
import { sourcePackage } from "../../support/packages/source-package.ts";
import { unzip } from "../../support/packages/unzip.ts";
import { createLab, FACTS } from "../worker/process/lab.ts";

const samples = await formatSamples();
const names = Object.keys(FORMATS) as FormatName[];
const isKnown = (format: FormatName, written: unknown): boolean =>
  formatFixtures().some((file) => file.format === format && Object.values(file.examples).some(isSame(written)));
const isSame =
  (written: unknown) =>
  (example: Example): boolean =>
    isDeepStrictEqual(asStored(example.written), asStored(written));

if (process.env["ADD_FORMATS"] === "1") {
  const added = Object.fromEntries(
    names.flatMap((format) => {
      const { written, read } = samples[format];
      const fresh = Object.entries(written).filter(([, value]) => !isKnown(format, value));
      if (fresh.length === 0) return [];
      return [
        [format, Object.fromEntries(fresh.map(([name, value]) => [name, { written: value, read: read(value) }]))],
      ];
    }),
  );
  const zip = packageFixtures().length === 0 || "manifest" in added ? await packed() : undefined;
  if (Object.keys(added).length > 0) addFixtures(added, zip);
}

async function packed(): Promise<Uint8Array> {
  const main = `import { defineJob } from "jobyard/job";
    export default defineJob({ jobType: "Sum", async run({ parameters }, { log }) {
      log("adding");
      return { output: parameters.a + parameters.b };
    } });`;
  const packageJson = JSON.stringify({ name: "sample", version: "1.0.0" });
  await using source = await sourcePackage({ "package.json": packageJson, "src/sum.ts": main });
  const { zip } = await packPackage({ directory: source.path, target: { os: "linux", arch: "x64", libc: "glibc" } });
  return zip;
}

describe("what releases have written", () => {
  const files = formatFixtures();

  it.each(files.map((file) => [`${file.version}/${file.format}`, file] as const))(
    "this release reads what another wrote: %s",
    (_, file) => {
      expect(names).toContain(file.format);
      for (const { written, read } of Object.values(file.examples)) {
        const now = samples[file.format as FormatName].read(written);
        expect(now).toBeDefined();
        expect(asStored(now)).toMatchObject(asStored(read) as object);
      }
    },
  );

  it.each(packageFixtures())("the package of version $version runs", async ({ file }) => {
    const contents = await unzip(file);
    const lab = await createLab();
    const texts = Object.fromEntries([...contents].map(([path, bytes]) => [path, bytes.toString()]));
    const [job] = (await inspectPackage(await readFile(file))).manifest.jobs;
    const facts = { ...FACTS, jobType: "Sum", parameters: '{"a":1,"b":2}' };
    const attempt = await lab.start(texts, { entry: job!.entry, job: facts });
    expect(await attempt.result).toEqual({ kind: "succeeded", output: "3" });
    await lab.close();
  });
});

describe("what this code writes", () => {
  it.each(names)("what this release writes is among the fixtures: %s", (format) => {
    const unknown = Object.entries(samples[format].written).filter(([, written]) => !isKnown(format, written));
    const advice = "This format has changed: see docs/compatibility.md, then add fixtures with ADD_FORMATS=1.";
    expect(asStored(Object.fromEntries(unknown)), advice).toEqual({});
  });
});
