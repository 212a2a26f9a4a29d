/** The sign-in that `jobyard` stores, and the services that receive it. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../../../runtime/cli/exit-codes.ts";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import { factsOf, startEntraService, type EntraService } from "../../support/identity/entra-service.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";

const SECRET = "the-secret";
let desk: TemporaryDirectory;
let service: EntraService;
let other: EntraService;
beforeEach(async () => {
  [desk, service, other] = await Promise.all([temporaryDirectory(), startEntraService(), startEntraService()]);
});
afterEach(async () => {
  await Promise.all([desk, service, other].map((one) => one[Symbol.asyncDispose]()));
});

const jobyard = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runCliHere(args, { env: { HOME: desk.path, ...env } });
const credentials = { JOBYARD_CLIENT_ID: "app", JOBYARD_CLIENT_SECRET: SECRET };
const login = () => jobyard(["login", service.url, "--client-id", "app"], { JOBYARD_CLIENT_SECRET: SECRET });
const secretsAt = ({ seen }: EntraService) => seen.filter((line) => /the-secret|refresh-1|issued-token/.test(line));
const file = () => join(desk.path, ".jobyard/sign-in.json");

/** As after a sign-in with a code, with an expired token. */
async function signedInAsUser(): Promise<void> {
  await login();
  const { token: _token, ...kept } = JSON.parse(await readFile(file(), "utf8")) as { token: object };
  await writeFile(file(), JSON.stringify({ ...kept, who: { kind: "user", refreshToken: "refresh-1" } }));
  service.seen.length = 0;
}

describe("a sign-in", { tags: "attack/addresses" }, () => {
  it("is bound to its issuer, directory and application", async () => {
    expect((await login()).code).toBe(EXIT.done);
    await signedInAsUser();
    const changes = [
      factsOf(other.url),
      factsOf(service.url, { tenantId: "99999999-9999-4999-8999-999999999999" }),
      factsOf(service.url, { clientId: "99999999-9999-4999-8999-999999999999" }),
      factsOf(service.url, { applicationScope: "https://graph.microsoft.com/.default" }),
      factsOf(service.url, { userScope: "https://graph.microsoft.com/.default" }),
      factsOf(service.url, { publicClientId: "99999999-9999-4999-8999-999999999999" }),
      { kind: "none" },
      {},
    ];
    for (const facts of changes) {
      service.facts = facts;
      const refused = await jobyard(["tenants"]);
      expect(refused).toMatchObject({ code: EXIT.notAllowed });
      expect(refused.stderr).toContain("than when you signed in");
    }
    expect([...secretsAt(service), ...secretsAt(other)]).toEqual([]);
    service.facts = { ...factsOf(service.url), added: "by a newer service" };
    await jobyard(["tenants"]);
    expect(secretsAt(service).join("\n")).toContain("refresh-1");
  });

  it("is sent to no other service", async () => {
    await signedInAsUser();
    for (const url of [other.url, `${service.url}/x`, service.url.replace("127.0.0.1", "localhost")]) {
      await jobyard(["tenants", "--url", url]);
    }
    await jobyard(["tenants"], { JOBYARD_URL: other.url });
    expect([...secretsAt(service), ...secretsAt(other)]).toEqual([]);
    await jobyard(["tenants", "--url", `${service.url}/`]);
    expect(secretsAt(service).join("\n")).toContain("refresh-1");
    await signedInAsUser();
    expect((await jobyard(["tenants"], { JOBYARD_URL: `${service.url}/` })).stderr).not.toContain("Sign in");
    expect(secretsAt(service).join("\n")).toContain("refresh-1");
  });

  it("must be repeated if it was stored before issuers were pinned", async () => {
    await login();
    const { facts: _facts, ...kept } = JSON.parse(await readFile(file(), "utf8")) as { facts: object };
    await writeFile(file(), JSON.stringify({ ...kept, version: 1 }));
    service.seen.length = 0;
    expect(await jobyard(["tenants"])).toMatchObject({ code: EXIT.usage });
    expect(service.seen).toEqual([]);
    expect((await login()).code).toBe(EXIT.done);
  });

  it("is refused with a foreign issuer, unless the user names it", async () => {
    service.facts = factsOf("https://login.example.com");
    const refused = await login();
    expect(refused).toMatchObject({ code: EXIT.notAllowed });
    expect(refused.stderr).toContain("JOBYARD_AUTHORITY");
    expect(secretsAt(service)).toEqual([]);
    // Nothing listens there. The test only needs the request.
    service.facts = factsOf("https://127.0.0.1:1");
    expect((await login()).code).toBe(EXIT.unavailable);
  });
});

describe("jobyard token", () => {
  it("prints the token of who is signed in and nothing else, and with --json when it ends", async () => {
    await login();
    expect(await jobyard(["token"])).toMatchObject({ code: EXIT.done, stdout: "issued-token\n", stderr: "" });
    const { expiresAt, ...rest } = JSON.parse((await jobyard(["token", "--json"])).stdout) as { expiresAt: string };
    expect(rest).toEqual({ token: "issued-token" });
    expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now());
  });

  it("asks the issuer when the kept token has ended, and keeps the new one", async () => {
    await signedInAsUser();
    expect((await jobyard(["token"])).stdout).toBe("issued-token\n");
    expect(secretsAt(service).join("\n")).toContain("refresh-1");
    service.seen.length = 0;
    expect((await jobyard(["token"])).stdout).toBe("issued-token\n");
    expect(secretsAt(service)).toEqual([]);
  });

  it("takes an application from the environment, without a sign-in", async () => {
    const { code, stdout } = await jobyard(["token"], { ...credentials, JOBYARD_URL: service.url });
    expect([code, stdout]).toEqual([EXIT.done, "issued-token\n"]);
  });

  it("says how to sign in when nobody is, or when the sign-in is for another service", async () => {
    const nobody = await jobyard(["token", "--url", service.url]);
    expect(nobody).toMatchObject({ code: EXIT.usage, stdout: "" });
    expect(nobody.stderr).toContain(`jobyard login ${service.url}`);
    await login();
    expect(await jobyard(["token", "--url", other.url])).toMatchObject({ code: EXIT.usage, stdout: "" });
    service.facts = { kind: "none" };
    expect(await jobyard(["token", "--url", service.url])).toMatchObject({ stdout: "" });
  });
});

describe("an application's secret in the environment", () => {
  it("is sent only to the service in JOBYARD_URL", { tags: "attack/addresses" }, async () => {
    await jobyard(["tenants"], { ...credentials, JOBYARD_URL: service.url });
    expect(secretsAt(service).join("\n")).toContain(SECRET);
    service.seen.length = 0;
    const warned = await jobyard(["tenants", "--url", other.url], { ...credentials, JOBYARD_URL: service.url });
    expect(warned.stderr).toContain("not sent to");
    await jobyard(["tenants", "--url", other.url], credentials);
    await jobyard(["login", other.url], { ...credentials, JOBYARD_URL: service.url });
    expect([...secretsAt(service), ...secretsAt(other)]).toEqual([]);
  });
});
