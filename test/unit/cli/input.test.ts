import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../../runtime/cli/exit-codes.ts";
import { jsonIn, parametersIn } from "../../../runtime/cli/input.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const inputOf = (bytes: Uint8Array) => ({ input: Readable.from([bytes]) });
const NOTHING = inputOf(Buffer.alloc(0));

/** The same JSON for each kind of input. */
async function readAs(kind: "--file" | "--parameters" | "-", bytes: Uint8Array): Promise<unknown> {
  if (kind === "-") return jsonIn("-", inputOf(bytes));
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "given.json");
  await writeFile(file, bytes);
  return kind === "--file" ? await jsonIn(file, NOTHING) : await parametersIn(`@${file}`, NOTHING);
}

describe.each(["--file", "--parameters", "-"] as const)("JSON given by %s", (kind) => {
  it("can start with a byte order mark", async () => {
    expect(await readAs(kind, Buffer.from('\ufeff{"name":"für"}'))).toEqual({ name: "für" });
  });

  it.each([
    ["Latin-1", Buffer.from('"für"', "latin1"), / is not UTF-8; save it as UTF-8$/],
    ["UTF-16", Buffer.from('\ufeff"für"', "utf16le"), / is UTF-16; save it as UTF-8$/],
    ["no JSON", Buffer.from("{"), / is not JSON: /],
    [
      "a number that would change",
      Buffer.from('{"n":1e400}'),
      / holds n: 1e400 would arrive as null; send it as text$/,
    ],
  ])("is refused as %s", async (_, bytes, message) => {
    const error: unknown = await readAs(kind, bytes).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toMatch(kind === "-" ? /^Standard input / : /given\.json /);
  });
});

it("accepts parameters as an option's text", async () => {
  expect(await parametersIn('{"n":"9223372036854775807"}', NOTHING)).toEqual({ n: "9223372036854775807" });
  await expect(parametersIn('{"n":9223372036854775807}', NOTHING)).rejects.toThrow(
    "--parameters holds n: 9223372036854775807 would arrive as 9223372036854776000; send it as text",
  );
});
