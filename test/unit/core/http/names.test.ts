/** Names as the API and packages take them: one pattern, whatever the field. */
import { describe, expect, it } from "vitest";
import { parseManifest } from "../../../../runtime/core/package/manifest.ts";
import { createBatchSchema, jobRequestSchema } from "../../../../runtime/core/http/requests.ts";
import { putGrantSchema } from "../../../../runtime/core/http/tenant-api.ts";

const job = { tenantName: "acme", jobType: "Type", jobName: "name", jobProcessorPackageName: "p.zip" };
const batch = { tenantName: "acme", batchName: "name" };
const FIELDS = {
  jobName: (name: string) => jobRequestSchema.safeParse({ ...job, jobName: name }),
  jobType: (name: string) => jobRequestSchema.safeParse({ ...job, jobType: name }),
  batchName: (name: string) => createBatchSchema.safeParse({ ...batch, batchName: name }),
  name: (name: string) => putGrantSchema.safeParse({ access: "read", name }),
};

const REFUSED = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  ...Array.from({ length: 0x21 }, (_, i) => 0x7f + i),
  ...[0x2028, 0x2029],
  ...[0x061c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069],
];

describe.each(Object.entries(FIELDS))("%s", (field, parse) => {
  it(
    "takes no control and no character that turns the direction of text, and says which field it is",
    { tags: "attack/names" },
    () => {
      for (const code of REFUSED) {
        const result = parse(`a${String.fromCharCode(code)}b`);
        expect(result.success, code.toString(16)).toBe(false);
        expect(result.error?.issues).toMatchObject([
          { path: [field], message: expect.stringContaining("control characters") as string },
        ]);
      }
    },
  );

  it.each(["Größe", "日本語", "العربية", "עברית", "👩‍👩‍👧", "a\u00a0b", "100 %"])("accepts %s as a name", (name) => {
    expect(parse(name).success).toBe(true);
  });
});

it("a job type in a manifest follows the same pattern as names in requests", { tags: "attack/names" }, () => {
  const manifest = (jobType: string): Uint8Array =>
    Buffer.from(
      JSON.stringify({
        ...{ manifestVersion: 1, name: "p", platform: "any" },
        jobs: [{ jobType, entry: { kind: "command", command: "sh" } }],
      }),
    );
  expect(parseManifest(manifest("Größe")).jobs).toHaveLength(1);
  for (const code of REFUSED) {
    expect(() => parseManifest(manifest(`a${String.fromCharCode(code)}b`)), code.toString(16)).toThrow("jobType");
  }
});
