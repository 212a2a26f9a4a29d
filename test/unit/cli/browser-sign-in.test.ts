/** `jobyard login` with the local issuer and a scripted browser: from the address to the stored sign-in. */
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startIdentityServer, type IdentityServer } from "../../../runtime/local/identity/identity-server.ts";
import { API_CLIENT_ID, DIRECTORY_ID, PUBLIC_CLIENT_ID } from "../../../runtime/local/identity/principals.ts";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import { factsOf, startEntraService, type EntraService } from "../../support/identity/entra-service.ts";
import { eventually } from "../../support/eventually.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";

let desk: TemporaryDirectory;
let issuer: IdentityServer;
let service: EntraService;
beforeAll(async () => {
  desk = await temporaryDirectory();
  const onFailure = (error: unknown): void => {
    throw error;
  };
  issuer = await startIdentityServer({ directory: join(desk.path, "identity"), port: 0, onFailure });
  service = await startEntraService();
  const own = `api://${API_CLIENT_ID}`;
  service.facts = factsOf(issuer.authority, {
    tenantId: DIRECTORY_ID,
    clientId: API_CLIENT_ID,
    audience: own,
    userScope: `${own}/access_as_user`,
    applicationScope: `${own}/.default`,
    publicClientId: PUBLIC_CLIENT_ID,
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await issuer.close();
  await desk[Symbol.asyncDispose]();
});

/** A browser whose user chooses Sam. It keeps its last page. */
async function browserOf(query: string): Promise<Readonly<Record<string, string>>> {
  const program = join(desk.path, "xdg-open");
  const page = join(desk.path, "page.html");
  const follow = `curl --silent --location --cacert '${issuer.caFile}' --output '${page}'`;
  await writeFile(program, `#!/bin/sh\n${follow} "$1${query}"\n`);
  await chmod(program, 0o755);
  return { HOME: desk.path, DISPLAY: ":0", PATH: `${desk.path}:${process.env["PATH"] ?? ""}` };
}

const login = (env: Readonly<Record<string, string>>) =>
  runCliHere(["login", service.url, "--ca-file", issuer.caFile], { env });

it("signs a user in with this machine's browser and PKCE, and prints no secret", async () => {
  const { code, stdout, stderr } = await login(await browserOf("&login=sam@jobyard.local"));
  expect([code, stderr]).toEqual([0, stderr]);
  expect(stdout).toContain("Signed in at");
  expect(stderr).toContain(`${issuer.authority}/${DIRECTORY_ID}/oauth2/v2.0/authorize?`);
  expect(stderr).toContain("--device");
  // The browser may still be writing its page when the command ends.
  await eventually(async () =>
    expect(await readFile(join(desk.path, "page.html"), "utf8")).toContain("You can close this page"),
  );
  const kept = JSON.parse(await readFile(join(desk.path, ".jobyard/sign-in.json"), "utf8")) as {
    who: { kind: string; refreshToken: string };
    token: { token: string };
  };
  expect(kept.who.kind).toBe("user");
  expect(service.seen.at(-1)).toContain(`Bearer ${kept.token.token}`);
  for (const secret of [kept.who.refreshToken, kept.token.token, "code=", "code_verifier"]) {
    expect(stdout + stderr.replaceAll("response_type=code", "")).not.toContain(secret);
  }
});
