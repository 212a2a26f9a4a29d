/** `jobyard stats` and `jobyard trace`, asking a receiver as `npm start` runs it. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCli } from "../../../runtime/cli/cli.ts";
import { EXIT } from "../../../runtime/cli/exit-codes.ts";
import { startLocalTelemetry, type LocalTelemetry } from "../../../runtime/local/telemetry/local-telemetry.ts";
import type { StatsView, TraceView } from "../../../runtime/local/telemetry/receiver.ts";
import { writeTelemetryFile } from "../../../runtime/local/telemetry/telemetry-file.ts";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import { metricsOf, type SpanToSend, spanIdOf, traceIdOf, tracesOf } from "../../support/telemetry/otlp.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const JOB = "demo.zybr0fe42axjqj5j73.00.01m7zghvyecdx3hp86";
const START = "2030-01-31T08:00:00.000Z";

/** A folder as of a running `npm start`. */
async function localSystem(environment: Readonly<Record<string, string>> = {}) {
  const { path: directory, [Symbol.asyncDispose]: remove } = await temporaryDirectory();
  const telemetry: LocalTelemetry = await startLocalTelemetry({
    directory,
    environment,
    now: () => new Date(START),
    onFailure: (error) => {
      throw error;
    },
  });
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint = "" } = telemetry.settings;
  const env = { JOBYARD_HOME: directory };
  const send = async (path: string, body: object): Promise<void> => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${endpoint}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
  };
  return {
    directory,
    endpoint,
    telemetry,
    env,
    jobyard: (...args: readonly string[]) => runCliHere(args, { env, columns: 80 }),
    sendSpans: (...spans: readonly SpanToSend[]) =>
      send("/v1/traces", tracesOf({ "service.name": "jobyard-api" }, spans)),
    sendEnded: (value: number) =>
      send(
        "/v1/metrics",
        metricsOf({ "service.name": "jobyard-worker" }, [
          { name: "jobyard.job.ended", kind: "counter", value, attributes: { type: "Greetings" }, isDelta: true },
        ]),
      ),
    async [Symbol.asyncDispose]() {
      await telemetry.close();
      await remove();
    },
  };
}

const submit = { id: "submit", parent: "caller", toMs: 10, attributes: { "jobyard.job.id": JOB } };

describe("jobyard trace", () => {
  it("shows the waterfall, and how the caller can send its spans", async () => {
    await using system = await localSystem();
    await system.sendSpans(submit);
    const { code, stdout } = await system.jobyard("trace", JOB);
    expect(code).toBe(EXIT.done);
    expect(stdout).toContain(`Job ${JOB}\nTrace ${traceIdOf("trace")}, 1 span from 1970-01-01 00:00:00 UTC\n`);
    expect(stdout).toMatch(/^submit +jobyard-api {2}█+ {2}10 ms$/m);
    expect(stdout).toContain(`The caller's spans are missing.`);
    expect(stdout).toContain(`OTEL_EXPORTER_OTLP_ENDPOINT=${system.endpoint}`);
    await system.sendSpans({ id: "caller", toMs: 20 });
    expect((await system.jobyard("trace", JOB)).stdout).not.toContain("missing");
  });

  it("prints one object with --json", async () => {
    await using system = await localSystem();
    await system.sendSpans(submit);
    const result = await runCliHere(["trace", JOB, "--json"], { env: system.env });
    const { jobId, since, spans } = result.json<TraceView>();
    expect([jobId, since, spans.length, spans[0]?.spanId]).toEqual([JOB, START, 1, spanIdOf("submit")]);
  });

  it("says since when there is data if a job has no spans", async () => {
    await using system = await localSystem();
    const { code, stdout, stderr } = await system.jobyard("trace", JOB);
    expect([code, stdout]).toEqual([EXIT.failed, ""]);
    expect(stderr).toContain(`There are no spans of ${JOB}. npm start has those since 2030-01-31 08:00:00 UTC`);
  });
});

describe("jobyard stats", () => {
  it("shows a table, or one object with --json", async () => {
    await using system = await localSystem();
    await system.sendEnded(3);
    const { code, stdout } = await system.jobyard("stats");
    expect(code).toBe(EXIT.done);
    expect(stdout).toMatch(/^Data since 08:00:00 UTC/);
    expect(stdout).toMatch(/^Greetings +3 ▁▁▁▁▁█ +0 ▁{6}/m);
    const result = await runCliHere(["stats", "--minutes", "60", "--json"], { env: system.env });
    const { since, markSeconds, jobTypes } = result.json<StatsView>();
    expect([since, markSeconds, jobTypes[0]?.measures["ended"]?.value]).toEqual([START, 600, 3]);
  });

  it("shows it again and again with --watch, until Ctrl-C", async () => {
    await using system = await localSystem();
    const interrupt = new AbortController();
    const objects: StatsView[] = [];
    const code = await runCli(["stats", "--watch", "--json"], {
      env: system.env,
      signal: interrupt.signal,
      terminal: {
        out: (text) => {
          objects.push(JSON.parse(text) as StatsView);
          interrupt.abort();
        },
        error: () => undefined,
        write: () => undefined,
        paint: (_style, text) => text,
        screen: undefined,
        columns: Infinity,
      },
    });
    expect([code, objects.length]).toEqual([EXIT.interrupted, 1]);
  });
});

describe("the telemetry of npm start", () => {
  it("can be read by nobody else", async () => {
    await using system = await localSystem();
    expect((await stat(join(system.directory, "telemetry.json"))).mode & 0o777).toBe(0o600);
  });

  it("is gone when it stops", async () => {
    await using system = await localSystem();
    await system.telemetry.close();
    const { code, stderr } = await system.jobyard("stats");
    expect(code).toBe(EXIT.usage);
    expect(stderr).toContain(`No npm start is running in ${system.directory}.`);
  });

  it("is gone when it was killed, also if another program has its port", async () => {
    await using system = await localSystem();
    await using other = await localSystem();
    for (const endpoint of ["http://127.0.0.1:1", other.endpoint]) {
      await writeTelemetryFile(system.directory, { kind: "here", endpoint, readKey: "of another start" });
      const { code, stderr } = await system.jobyard("trace", JOB);
      expect(code).toBe(EXIT.unavailable);
      expect(stderr).toContain(`The npm start in ${system.directory} does not respond.`);
    }
  });

  it("goes to the collector that its environment names", async () => {
    const collector = {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318",
      OTEL_EXPORTER_OTLP_HEADERS: "api-key=x",
    };
    await using system = await localSystem({ ...collector, UNRELATED: "y" });
    expect(system.telemetry.settings).toEqual({ ...collector, JOBYARD_TRACE_RATIO: "1" });
    const { code, stderr } = await system.jobyard("stats");
    expect([code, stderr]).toEqual([
      EXIT.usage,
      "npm start sends its telemetry to http://127.0.0.1:4318, as OTEL_EXPORTER_OTLP_ENDPOINT says. Look there.\n",
    ]);
  });
});
