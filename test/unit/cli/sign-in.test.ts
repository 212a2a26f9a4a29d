/** What `jobyard` remembers of a sign-in, and which service it gives it to. */
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

/** As after a sign-in by code, with a token that has ended. */
async function signedInAsUser(): Promise<void> {
  await login();
  const { token: _token, ...kept } = JSON.parse(await readFile(file(), "utf8")) as { token: object };
  await writeFile(file(), JSON.stringify({ ...kept, who: { kind: "user", refreshToken: "refresh-1" } }));
  service.seen.length = 0;
}

describe("a sign-in", { tags: "attack/addresses" }, () => {
  it("is for the issuer, the directory and the application it was made with", async () => {
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

  it("is given to no other service", async () => {
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

  it("is made anew when it was made before issuers were pinned", async () => {
    await login();
    const { facts: _facts, ...kept } = JSON.parse(await readFile(file(), "utf8")) as { facts: object };
    await writeFile(file(), JSON.stringify({ ...kept, version: 1 }));
    service.seen.length = 0;
    expect(await jobyard(["tenants"])).toMatchObject({ code: EXIT.usage });
    expect(service.seen).toEqual([]);
    expect((await login()).code).toBe(EXIT.done);
  });

  it("is not made with a foreign issuer, unless the user names it", async () => {
    service.facts = factsOf("https://login.example.com");
    const refused = await login();
    expect(refused).toMatchObject({ code: EXIT.notAllowed });
    expect(refused.stderr).toContain("JOBYARD_AUTHORITY");
    expect(secretsAt(service)).toEqual([]);
    // Nothing listens there: it is asked, which is all that is wanted.
    service.facts = factsOf("https://127.0.0.1:1");
    expect((await login()).code).toBe(EXIT.unavailable);
  });
});

describe("an application's secret in the environment", () => {
  it("is for the service that JOBYARD_URL names", { tags: "attack/addresses" }, async () => {
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
