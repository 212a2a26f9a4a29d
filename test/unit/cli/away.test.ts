/** What a command says when there is no service, or one that does not answer: soon, and in words. */
import { createServer as createHttpsServer } from "node:https";
import { createServer } from "node:net";
import { generate } from "selfsigned";
import { afterEach, describe, expect, it, vi } from "vitest";
import { runCli } from "../../../runtime/cli/cli.ts";
import { EXIT, exitCodeOf } from "../../../runtime/cli/exit-codes.ts";
import { JobServiceError } from "../../../runtime/client/index.ts";
import { listening } from "../../support/network/listening.ts";

async function freePort(): Promise<number> {
  await using server = await listening(createServer());
  return server.port;
}

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `isTerminal`: somebody watches. */
async function jobyard(args: readonly string[], env: Record<string, string> = {}, isTerminal = false): Promise<Said> {
  const said = { stdout: "", stderr: "" };
  const code = await runCli(args, {
    env: { HOME: "/nonexistent", ...env },
    terminal: {
      out: (text) => void (said.stdout += `${text}\n`),
      error: (text) => void (said.stderr += `${text}\n`),
      write: (text) => void (said.stdout += text),
      paint: (_style, text) => text,
      screen: isTerminal ? process.stderr : undefined,
      columns: isTerminal ? 80 : Infinity,
    },
  });
  return { code, ...said };
}

afterEach(() => {
  vi.useRealTimers();
});

describe("without a service", () => {
  it("a port of this machine where nothing listens is one try, and asks whether npm start is running", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const tried = vi.spyOn(globalThis, "fetch");
    const { code, stderr } = await jobyard(["whoami"], { JOBYARD_URL: url });
    expect(tried).toHaveBeenCalledTimes(1);
    tried.mockRestore();
    expect(code).toBe(EXIT.unavailable);
    expect(stderr).toBe(`Nothing listens at ${url} (ECONNREFUSED). Is npm start running?\n  (NetworkFailed)\n`);
  });

  it("one that accepts and never answers is given up within 15 seconds, with a word after three on a terminal", async () => {
    await using silent = await listening(createServer());
    const url = `http://127.0.0.1:${silent.port}`;
    for (const isTerminal of [true, false]) {
      const asked = vi.spyOn(globalThis, "fetch");
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
      let said: Said | undefined;
      void jobyard(["whoami"], { JOBYARD_URL: url }, isTerminal).then((result) => (said = result));
      // What Node itself does between two ticks of the clock; the clock stands until the service has been asked.
      const turn = () => new Promise((resolve) => setImmediate(resolve));
      while (asked.mock.calls.length === 0) await turn();
      let elapsedMs = 0;
      for (; said === undefined && elapsedMs < 60_000; elapsedMs += 100) {
        await vi.advanceTimersByTimeAsync(100);
        await turn();
      }
      vi.useRealTimers();
      asked.mockRestore();
      expect(elapsedMs).toBeLessThanOrEqual(15_000);
      expect(said).toMatchObject({ code: EXIT.unavailable, stdout: "" });
      const lines = (said?.stderr ?? "").split("\n");
      expect(lines.includes(`Waiting for ${url} to answer …`)).toBe(isTerminal);
      expect(said?.stderr).toContain(`No answer from ${url}: Nothing came within 7 s.`);
    }
  });

  it("a certificate that nobody trusts says which variable names its authority, and exits as not reachable", async () => {
    const { private: key, cert } = await generate([{ name: "commonName", value: "127.0.0.1" }]);
    await using secure = await listening(createHttpsServer({ key, cert }));
    const { code, stderr } = await jobyard(["whoami"], { JOBYARD_URL: `https://127.0.0.1:${secure.port}` });
    expect(code).toBe(EXIT.unavailable);
    expect(stderr).toContain("NODE_EXTRA_CA_CERTS");
  });

  it("an empty JOBYARD_URL is none", async () => {
    expect(await jobyard(["whoami"], { JOBYARD_URL: "" })).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringContaining("No service is known") as string,
    });
  });
});

describe("the exit code", () => {
  it("of an issuer that asks to come back later is that of what cannot be reached", () => {
    const later = new JobServiceError("SignInFailed", "busy", { retryable: true, status: 503 });
    expect(exitCodeOf(later)).toBe(EXIT.unavailable);
    expect(exitCodeOf(new JobServiceError("SignInFailed", "wrong secret", { status: 401 }))).toBe(EXIT.notAllowed);
    expect(exitCodeOf(new JobServiceError("NetworkFailed", "no such host"))).toBe(EXIT.unavailable);
  });

  it("of a file that is not there is that of a wrong call, and the message has no code of the system", async () => {
    for (const args of [
      ["publish", "/nonexistent/a.zip"],
      ["submit", "--file", "/nonexistent/job.json"],
      ["submit", "--lines", "/nonexistent/jobs.ndjson"],
    ]) {
      const { code, stderr } = await jobyard(args, { JOBYARD_URL: "http://127.0.0.1:1" });
      expect([args[0], code, stderr]).toEqual([args[0], EXIT.usage, `There is no file ${args.at(-1)}.\n`]);
    }
  });

  it("of a time without a zone is that of a wrong call", async () => {
    const submit = (...more: readonly string[]) =>
      jobyard(["submit", "--type", "A", "--package", "a.zip", ...more], { JOBYARD_URL: "http://127.0.0.1:1" });
    for (const at of ["tomorrow", "2030-01-31", "2030-01-31T08:00", "2030-13-31T08:00:00Z"]) {
      expect(await submit("--at", at)).toMatchObject({
        code: EXIT.usage,
        stderr: expect.stringContaining(`--at ${at}: write an instant with its zone`) as string,
      });
    }
    expect((await submit("--at", "2030-01-31T08:00Z", "--delay", "5")).stderr).toContain("exclude each other");
  });
});
