/** A hostile service can only create files in the download folder. */
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";

const JOB_ID = "acme.0000000000aaaaaaaa.00.0000000000aaaaaaaa";

let desk: TemporaryDirectory;
let server: Server;
let paths: readonly string[];
let to: string;
beforeEach(async () => {
  desk = await temporaryDirectory();
  to = join(desk.path, "out");
  await writeFile(join(desk.path, "mine"), "mine");
  server = createServer((request, response) => {
    const url = request.url ?? "";
    const answer = url === "/v1/auth" ? { kind: "none" } : { items: paths.map((path) => ({ path, bytes: 5 })) };
    const isList = url.startsWith("/v1/auth") || /\/artifacts(\?|$)/.test(url);
    response.writeHead(200, { "content-type": isList ? "application/json" : "application/octet-stream" });
    response.end(isList ? JSON.stringify(answer) : "owned");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await desk[Symbol.asyncDispose]();
});

const download = () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return runCliHere(["artifacts", "download", JOB_ID, "--to", to], { env: { HOME: desk.path, JOBYARD_URL: url } });
};

describe("a service that names its artifacts", { tags: "attack/names" }, () => {
  it.each([
    ["a way up", "../mine"],
    ["a way down and up", "a/../../mine"],
    ["a way up with a name like its folder's", "../out-of-it"],
    ["the folder itself", "."],
    ["nothing", ""],
    ["a step up alone", ".."],
    ["a way up, again and again", `${"../".repeat(50)}tmp/jobyard-owned`],
  ])("as %s creates no file", async (_what, path) => {
    paths = [path];
    expect((await download()).code).not.toBe(0);
    expect((await readdir(desk.path)).filter((name) => name !== "out")).toEqual(["mine"]);
    expect(await readFile(join(desk.path, "mine"), "utf8")).toBe("mine");
  });

  it("as an absolute path creates a file below the folder", async () => {
    paths = ["/etc/jobyard-owned"];
    expect((await download()).code).toBe(0);
    expect(await readFile(join(to, "etc/jobyard-owned"), "utf8")).toBe("owned");
  });

  it("twice, or as a file and as a folder, replaces nothing", async () => {
    for (const pair of [
      ["a", "a"],
      ["b", "b/c"],
    ]) {
      paths = pair;
      expect((await download()).code).not.toBe(0);
    }
    expect(await readdir(to)).toEqual(["a", "b"]);
  });

  it("as an existing link writes nothing to its target", async () => {
    await mkdir(to);
    await symlink(join(desk.path, "mine"), join(to, "link"));
    await symlink(join(desk.path, "missing"), join(to, "dangling"));
    for (const name of ["link", "dangling"]) {
      paths = [name];
      expect((await download()).code).not.toBe(0);
    }
    expect(await readFile(join(desk.path, "mine"), "utf8")).toBe("mine");
    expect(await readdir(desk.path)).toEqual(["mine", "out"]);
  });
});
