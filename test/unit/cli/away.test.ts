/** How commands report a service that is missing or does not respond: soon and clearly. */
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

/** `isTerminal`: the output is a terminal. */
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
  it("tries a port of this machine without a listener once, and mentions npm start", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const tried = vi.spyOn(globalThis, "fetch");
    const { code, stderr } = await jobyard(["whoami"], { JOBYARD_URL: url });
    expect(tried).toHaveBeenCalledTimes(1);
    tried.mockRestore();
    expect(code).toBe(EXIT.unavailable);
    expect(stderr).toBe(
      `Nothing listens at ${url} (ECONNREFUSED). Check that npm start is running.\n  (NetworkFailed)\n`,
    );
  });

  it("stops after 15 seconds without a response, with a notice after three on a terminal", async () => {
    await using silent = await listening(createServer());
    const url = `http://127.0.0.1:${silent.port}`;
    for (const isTerminal of [true, false]) {
      const asked = vi.spyOn(globalThis, "fetch");
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
      let said: Said | undefined;
      void jobyard(["whoami"], { JOBYARD_URL: url }, isTerminal).then((result) => (said = result));
      // Advances Node's own steps between two ticks of the clock. The clock stands still until the request is sent.
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
      expect(lines.includes(`Waiting for ${url} …`)).toBe(isTerminal);
      expect(said?.stderr).toContain(`No response from ${url}: No data arrived within 7 s.`);
    }
  });

  it("names the variable for the authority of an untrusted certificate, and exits as unreachable", async () => {
    const { private: key, cert } = await generate([{ name: "commonName", value: "127.0.0.1" }]);
    await using secure = await listening(createHttpsServer({ key, cert }));
    const { code, stderr } = await jobyard(["whoami"], { JOBYARD_URL: `https://127.0.0.1:${secure.port}` });
    expect(code).toBe(EXIT.unavailable);
    expect(stderr).toContain("NODE_EXTRA_CA_CERTS");
  });

  it("treats an empty JOBYARD_URL as not set", async () => {
    expect(await jobyard(["whoami"], { JOBYARD_URL: "" })).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringContaining("address is not set") as string,
    });
  });
});

describe("the exit code", () => {
  it("of a busy issuer is that of an unreachable service", () => {
    const later = new JobServiceError("SignInFailed", "busy", { retryable: true, status: 503 });
    expect(exitCodeOf(later)).toBe(EXIT.unavailable);
    expect(exitCodeOf(new JobServiceError("SignInFailed", "wrong secret", { status: 401 }))).toBe(EXIT.notAllowed);
    expect(exitCodeOf(new JobServiceError("NetworkFailed", "no such host"))).toBe(EXIT.unavailable);
  });

  it("of a missing file is that of a usage error, and the message has no system code", async () => {
    for (const args of [
      ["publish", "/nonexistent/a.zip"],
      ["submit", "--file", "/nonexistent/job.json"],
      ["submit", "--lines", "/nonexistent/jobs.ndjson"],
    ]) {
      const { code, stderr } = await jobyard(args, { JOBYARD_URL: "http://127.0.0.1:1" });
      expect([args[0], code, stderr]).toEqual([args[0], EXIT.usage, `File not found: ${args.at(-1)}.\n`]);
    }
  });

  it("of a time without a zone is that of a usage error", async () => {
    const submit = (...more: readonly string[]) =>
      jobyard(["submit", "--type", "A", "--package", "a.zip", ...more], { JOBYARD_URL: "http://127.0.0.1:1" });
    for (const at of ["tomorrow", "2030-01-31", "2030-01-31T08:00", "2030-13-31T08:00:00Z"]) {
      expect(await submit("--at", at)).toMatchObject({
        code: EXIT.usage,
        stderr: expect.stringContaining(`--at ${at}: expected an instant with a time zone`) as string,
      });
    }
    expect((await submit("--at", "2030-01-31T08:00Z", "--delay", "5")).stderr).toContain("exclude each other");
  });
});
