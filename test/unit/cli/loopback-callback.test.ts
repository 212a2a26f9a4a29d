/** The listener of `jobyard login`, called by browsers, pages of other sites and other programs of this machine. */
import { chmod, readFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listenForCallback, type LoopbackCallback } from "../../../runtime/cli/loopback-callback.ts";
import { openBrowser } from "../../../runtime/platform/open-browser.ts";
import { eventually } from "../../support/eventually.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let callback: LoopbackCallback;
beforeEach(async () => {
  callback = await listenForCallback();
});
afterEach(() => callback[Symbol.asyncDispose]());

const portOf = ({ redirectUri }: LoopbackCallback): number => Number(new URL(redirectUri).port);

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function ask(path: string, { method = "GET", headers = {} }: Asked = {}) {
  return new Promise<{ readonly status: number; readonly body: string; readonly policy: unknown }>(
    (resolve, reject) => {
      const to = { host: "127.0.0.1", port: portOf(callback), agent: false };
      request({ ...to, path, method, headers: { host: `localhost:${to.port}`, ...headers } }, (response) => {
        void text(response).then((body) =>
          resolve({ status: response.statusCode ?? 0, body, policy: response.headers["content-security-policy"] }),
        );
      })
        .on("error", reject)
        .end();
    },
  );
}

const canConnect = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });

describe("the callback of a sign-in", { tags: "attack/hosts" }, () => {
  it("accepts the response to its own sign-in, shows a page without its data, and accepts no second one", async () => {
    const answered = callback.answerTo("mine", new AbortController().signal);
    const { status, body, policy } = await ask("/?code=the-code&state=mine");
    expect(status).toBe(200);
    expect(body).toContain("You can close this page");
    expect(body).not.toContain("the-code");
    expect(policy).toContain("default-src 'none'");
    expect((await answered).get("code")).toBe("the-code");
    expect((await ask("/?code=other&state=mine")).status).toBe(400);
  });

  it("accepts nothing before the wait starts", async () => {
    expect((await ask("/?code=x&state=undefined")).status).toBe(400);
    expect((await ask("/?code=x")).status).toBe(400);
  });

  it.each<[string, string, Asked, number]>([
    [
      "a page of another site with its own host name",
      "/?code=x&state=mine",
      { headers: { host: "evil.example" } },
      403,
    ],
    ["another port's name", "/?code=x&state=mine", { headers: { host: "localhost:1" } }, 403],
    ["a script of another page", "/?code=x&state=mine", { headers: { origin: "https://evil.example" } }, 403],
    ["a script of a sandbox", "/?code=x&state=mine", { headers: { origin: "null" } }, 403],
    ["a form", "/?code=x&state=mine", { method: "POST" }, 405],
    ["an answer to another sign-in", "/?code=x&state=other", {}, 400],
    ["an answer without a state", "/?code=x", {}, 400],
    ["another path", "/favicon.ico?code=x&state=mine", {}, 404],
    ["an invalid address", "//?code=x&state=mine", {}, 404],
  ])("refuses %s, and continues to wait", async (_who, path, asked, status) => {
    const answered = callback.answerTo("mine", new AbortController().signal);
    expect((await ask(path, asked)).status).toBe(status);
    expect((await ask("/?code=the-code&state=mine")).status).toBe(200);
    expect((await answered).get("code")).toBe("the-code");
  });

  it("listens only on loopback addresses, and only while it waits", async () => {
    const port = portOf(callback);
    const others = Object.values(networkInterfaces()).flatMap((all) =>
      (all ?? []).filter(({ internal, family }) => !internal && family === "IPv4").map(({ address }) => address),
    );
    for (const address of others) expect(await canConnect(address, port)).toBe(false);
    expect(await canConnect("127.0.0.1", port)).toBe(true);
    // Browsers keep unused connections open.
    const silent = connect({ host: "127.0.0.1", port });
    await new Promise((resolve) => silent.once("connect", resolve));
    const ended = new Promise((resolve) => silent.once("close", resolve));
    await callback[Symbol.asyncDispose]();
    await ended;
    for (const address of ["127.0.0.1", "::1"]) expect(await canConnect(address, port)).toBe(false);
  });

  it("ends with the signal", async () => {
    const stop = new AbortController();
    const answered = callback.answerTo("mine", stop.signal);
    stop.abort(new Error("enough"));
    await expect(answered).rejects.toThrow("enough");
  });
});

describe("the user's browser", () => {
  it("gets the whole address without a shell, and no secret of the environment", async () => {
    await using directory = await temporaryDirectory();
    const [program, seen] = [join(directory.path, "xdg-open"), join(directory.path, "seen")];
    await writeFile(
      program,
      `#!/bin/sh\nprintf '%s\\n' "$@" "secret:$JOBYARD_CLIENT_SECRET" > '${seen}.new'\nmv '${seen}.new' '${seen}'\n`,
    );
    await chmod(program, 0o755);
    const env = { PATH: `${directory.path}:/usr/bin:/bin`, DISPLAY: ":0", JOBYARD_CLIENT_SECRET: "s" };
    openBrowser("https://issuer.example/?a=1&b=$(touch%20x)", { env, platform: "linux" });
    const given = await eventually(() => readFile(seen, "utf8"));
    expect(given).toBe("https://issuer.example/?a=1&b=$(touch%20x)\nsecret:\n");
  });

  it("is not started without a display, and may be missing", () => {
    expect(() => openBrowser("https://issuer.example/", { env: {}, platform: "linux" })).not.toThrow();
    expect(() =>
      openBrowser("https://issuer.example/", { env: { PATH: "/nowhere" }, platform: "darwin" }),
    ).not.toThrow();
  });
});
