// Azure's SDK for Python against the local Service Bus. It checks types and orders more strictly than the one for JavaScript.
import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { startBus } from "../support/start-bus.ts";
import { hasProgram } from "../../../../../test/support/processes/has-program.ts";
import { temporaryDirectory } from "../../../../../test/support/temporary-directory.ts";

const SCRIPT = join(import.meta.dirname, "../support/python-client.py");
/** Debian's, for which its packages are. */
const PYTHON = "/usr/bin/python3";

const missing = [
  ...(hasProgram(PYTHON, "-c", "import azure.servicebus, uamqp") ? [] : ["python3-azure with python3-uamqp"]),
  ...(hasProgram("openssl", "version") ? [] : ["openssl"]),
];

interface TlsFront extends AsyncDisposable {
  readonly port: number;
  readonly certificate: string;
}

/** The SDK speaks TLS only, and the bus only without. */
async function startTlsFront(busPort: number, directory: string): Promise<TlsFront> {
  const [key, certificate] = [join(directory, "key.pem"), join(directory, "certificate.pem")];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"],
      ...["-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
    ],
    { stdio: "ignore" },
  );
  const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (secured) => {
    const plain = connect(busPort, "127.0.0.1");
    secured.pipe(plain).pipe(secured);
    secured.on("error", () => plain.destroy());
    plain.on("error", () => secured.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    ...{ certificate, port: (server.address() as AddressInfo).port },
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

const title = missing.length === 0 ? "" : ` (skipped: this machine lacks ${missing.join(" and ")})`;

describe.skipIf(missing.length > 0)(`Azure's SDK for Python${title}`, () => {
  test("connects, sends, schedules, peeks, receives, settles in every way, and works with sessions", async () => {
    await using fixture = await startBus({
      queues: [{ name: "settled" }, { name: "scheduled" }, { name: "sessions", requiresSession: true }],
    });
    await using directory = await temporaryDirectory();
    await using front = await startTlsFront(fixture.bus.port, directory.path);
    const connectionString = fixture.bus.connectionString
      .replace(/Endpoint=[^;]+/, "Endpoint=sb://localhost/")
      .replace(";UseDevelopmentEmulator=true", "");
    const { stdout } = await promisify(execFile)(
      PYTHON,
      [SCRIPT, connectionString, String(front.port), front.certificate],
      { timeout: 120_000 },
    );
    expect(JSON.parse(stdout)).toEqual({
      ...{ lock: true, renewed: true, abandoned: ["abandon", 1], deferred: ["defer", 1], deferredLock: true },
      ...{ deadLetter: ["bad", "why", "because"], left: [] },
      ...{ scheduledNumbers: 2, peeked: ["a", "b"], scheduled: "soon" },
      ...{ session: ["s2", true], state: "state", nextSession: ["s1", "s1"] },
      ...{ absent: true, oversized: true },
    });
  });
});
