// The access list: its content, and how it changes while the bus runs.
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openAccessFile } from "../../access/access-file.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../../../../test/support/temporary-directory.ts";

const KEY = { kty: "RSA", n: "n", e: "AQAB" };
const GOOD = {
  issuer: "https://issuer.example/",
  jwks: { keys: [KEY] },
  assignments: [{ principalId: "p", entity: "q", rights: ["send"] }],
};

describe("the access file", () => {
  let directory: TemporaryDirectory;
  let count = 0;
  beforeAll(async () => {
    directory = await temporaryDirectory();
  });
  afterAll(() => directory[Symbol.asyncDispose]());

  const write = (content: unknown, path = join(directory.path, `${count++}.json`)): string => {
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };
  const open = (path: string, onUnusable: (error: Error) => void = () => undefined) =>
    openAccessFile({ path, onUnusable });

  test("has the audience of Service Bus as its default", () => {
    expect(open(write(GOOD))()).toEqual({
      issuer: GOOD.issuer,
      audiences: ["https://servicebus.azure.net"],
      keys: { kind: "keys", keys: { keys: [KEY] } },
      assignments: GOOD.assignments,
    });
  });

  test("names keys by URL or by a file beside it", () => {
    const url = "https://issuer.example/keys";
    expect(open(write({ ...GOOD, jwks: { url } }))().keys).toEqual({ kind: "url", url });
    write({ keys: [KEY] }, join(directory.path, "keys.json"));
    expect(open(write({ ...GOOD, jwks: { file: "keys.json" } }))().keys).toEqual({
      kind: "keys",
      keys: { keys: [KEY] },
    });
  });

  test.each<[string, unknown, RegExp]>([
    ["nothing", {}, /at issuer: .*at jwks: .*at assignments: /],
    ["an unknown field", { ...GOOD, isuer: "x" }, /"isuer"/],
    ["no kind of keys", { ...GOOD, jwks: {} }, /at jwks: Exactly one of url, file and keys/],
    ["two kinds of keys", { ...GOOD, jwks: { keys: [KEY], file: "x" } }, /at jwks: Exactly one of url, file and keys/],
    ["an address that is none", { ...GOOD, jwks: { url: "ftp://x" } }, /at jwks\.url: /],
    ["a key without a kind", { ...GOOD, jwks: { keys: [{}] } }, /at jwks\.keys\.0\.kty: /],
    ["no audience", { ...GOOD, audiences: [] }, /at audiences: /],
    [
      "an unknown right",
      { ...GOOD, assignments: [{ principalId: "p", entity: "q", rights: ["read"] }] },
      /at assignments\.0\.rights\.0: /,
    ],
    [
      "an assignment without an entity",
      { ...GOOD, assignments: [...GOOD.assignments, { principalId: "p", rights: ["send"] }] },
      /at assignments\.1\.entity: /,
    ],
    ["text that is not JSON", "{", /cannot be read/],
    ["a missing key file", { ...GOOD, jwks: { file: "absent.json" } }, /The key file .*absent\.json cannot be read/],
  ])("is refused, and the message names %s", (_what, content, message) => {
    expect(() => open(write(content))).toThrow(message);
  });

  test("is read again when it was changed or replaced", () => {
    const path = write(GOOD);
    const current = open(path);
    write({ ...GOOD, assignments: [] }, path);
    expect(current().assignments).toEqual([]);
    renameSync(write(GOOD), path);
    expect(current().assignments).toEqual(GOOD.assignments);
  });

  test("is read again when its key file has changed", () => {
    const keyFile = write({ keys: [KEY] });
    const current = open(write({ ...GOOD, jwks: { file: keyFile } }));
    write({ keys: [KEY, KEY] }, keyFile);
    expect(current().keys).toEqual({ kind: "keys", keys: { keys: [KEY, KEY] } });
  });

  test("keeps its last good content while it cannot be used, and reports that once", () => {
    const told: string[] = [];
    const path = write(GOOD);
    const current = open(path, (error) => told.push(error.message));
    write("{", path);
    expect([current().assignments, current().assignments]).toEqual([GOOD.assignments, GOOD.assignments]);
    expect(told).toEqual([expect.stringMatching(/cannot be read/)]);
    write({ ...GOOD, assignments: [] }, path);
    expect(current().assignments).toEqual([]);
  });
});
