import type { LogRecord } from "@opentelemetry/api-logs";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { expect, it } from "vitest";
import { shipTo } from "../../../runtime/main/log-shipping.ts";
import { createLogger } from "../../../runtime/main/logger.ts";

function lab() {
  const records: LogRecord[] = [];
  const log = createLogger({
    ...{ level: "info", service: "jobyard-worker", version: "v1", instance: "w-1", pool: "default" },
    onLine: shipTo({ emit: (record) => void records.push(record) }),
    destination: { write: () => undefined },
  });
  return { log, records };
}

it("a log line is shipped with its severity, text, time and own fields; the process is named by the resource", () => {
  const { log, records } = lab();
  log.child({ jobId: "j" }).warn({ queue: "q" }, "slow");
  expect(records).toEqual([
    {
      timestamp: expect.any(Date) as Date,
      severityNumber: SeverityNumber.WARN,
      severityText: "warn",
      body: "slow",
      attributes: { jobId: "j", queue: "q" },
    },
  ]);
});

it("an error is shipped as an exception, without the secrets in its text", () => {
  const { log, records } = lab();
  log.error({ err: new TypeError("GET https://a.example/b?sig=hunter2hunter2 failed") }, "failed");
  const { attributes = {} } = records[0]!;
  expect(attributes).toEqual({
    "exception.type": "TypeError",
    "exception.message": "GET https://a.example/b?[redacted] failed",
    "exception.stacktrace": expect.stringContaining("log-shipping.test.ts") as string,
  });
  expect(attributes["exception.stacktrace"]).not.toContain("hunter2");
});
