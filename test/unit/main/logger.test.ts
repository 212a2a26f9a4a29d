/** Every line of a program's log, as it is written. */
import { describe, expect, it } from "vitest";
import type { Logger } from "../../../runtime/core/logger.ts";
import { createLogger, type LoggerOptions } from "../../../runtime/main/logger.ts";
import { addLogFields, withLogFields } from "../../../runtime/platform/log-context.ts";

const SECRET = "hunter2hunter2hunter2hunter2";
const JWT = `eyJhbGciOiJSUzI1NiJ9.${SECRET}.${SECRET}`;

function lab(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({
    ...{ level: "debug", service: "worker", version: "v1", instance: "w-1", pool: "default" },
    ...options,
    destination: { write: (line) => void lines.push(line) },
  });
  const parsed = (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, parsed };
}

const written = (say: (log: Logger) => void): Record<string, unknown> => {
  const { log, parsed } = lab();
  say(log);
  return parsed()[0]!;
};

describe("a log line", () => {
  it("has its level as a word, the names of its process, and the time", () => {
    expect(written((log) => log.warn({ queue: "q" }, "slow"))).toEqual({
      ...{ level: "warn", service: "worker", version: "v1", instance: "w-1", pool: "default", queue: "q", msg: "slow" },
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
    });
  });

  it("has the fields of the work that is running, also behind a promise, and of no other work", async () => {
    const { log, parsed } = lab();
    const work = (requestId: string): Promise<void> =>
      withLogFields({ requestId }, async () => {
        await Promise.resolve();
        addLogFields({ jobId: `job of ${requestId}` });
        log.info({}, "in");
      });
    await Promise.all([work("a"), work("b")]);
    log.info({}, "out");
    expect(parsed().map(({ requestId, jobId }) => [requestId, jobId])).toEqual([
      ["a", "job of a"],
      ["b", "job of b"],
      [undefined, undefined],
    ]);
  });

  it("cannot be ended by a line break in a field", () => {
    const { log, lines } = lab();
    log.info({ name: 'x"}\n{"level":"error","msg":"forged' }, "real");
    expect(lines).toHaveLength(1);
    expect(lines[0]!.trimEnd()).not.toContain("\n");
  });

  it("has of an error its type, code, message and stack with causes, and not what SDKs keep on it", () => {
    const cause = new Error("the disk is full");
    const error = Object.assign(new Error("not written", { cause }), { code: "ENOSPC", request: { headers: SECRET } });
    const { err } = written((log) => log.error({ err: error }, "failed"));
    expect(err).toEqual({
      ...{ type: "Error", code: "ENOSPC", message: expect.stringContaining("the disk is full") as string },
      stack: expect.stringContaining("caused by") as string,
    });
  });

  it("cuts long texts and long lists, also inside of others", () => {
    const long = "x".repeat(100_000);
    const error = new Error(long);
    const fields = { text: long, list: Array.from({ length: 50 }, (_, i) => i), deep: { texts: [long] }, err: error };
    const { text, list, deep, err } = written((log) => log.info(fields, "long"));
    expect(String(text).length).toBeLessThan(9_000);
    expect(list).toHaveLength(21);
    expect(JSON.stringify(deep).length).toBeLessThan(9_000);
    expect(JSON.stringify(err).length).toBeLessThan(20_000);
  });

  it("is given without secrets to what ships it, as it was written", () => {
    const shipped: string[] = [];
    const { log, lines } = lab({ onLine: (line) => void shipped.push(line) });
    log.info({ error: `Bearer ${SECRET}` }, "refused");
    expect(shipped).toEqual(lines);
    expect(shipped[0]).not.toContain(SECRET);
  });
});

describe("secrets in texts of others", () => {
  it.each([
    ["a signed address", `https://acc.blob.core.windows.net/c/b?sv=2025&se=2030&sig=${SECRET}%3D`],
    ["a relative signed address", `PUT /c/b?comp=block&sig=${SECRET}`],
    ["an address with a password", `https://user:${SECRET}@example.com/hook`],
    ["a webhook with a token", `connect ECONNREFUSED https://hooks.example.com/x?t=${SECRET}`],
    ["a bearer token", `authorization: Bearer ${SECRET}`],
    ["a shared key", `Authorization: SharedKey acc:${SECRET}==`],
    ["a token anywhere", `the token ${JWT} has expired`],
    ["a connection string of storage", `AccountName=a;AccountKey=${SECRET}==;EndpointSuffix=core.windows.net`],
    ["a connection string of the broker", `Endpoint=sb://n/;SharedAccessKeyName=k;SharedAccessKey=${SECRET}=`],
    ["a token of the broker", `SharedAccessSignature sr=sb%3A%2F%2Fn&sig=${SECRET}&se=1&skn=k`],
    ["a webhook's secret", `whsec_${SECRET}==`],
    ["an answer of a token endpoint", JSON.stringify({ access_token: SECRET, token_type: "Bearer" })],
    ["a form of a token endpoint", `grant_type=client_credentials&client_secret=${SECRET}&scope=x`],
  ])("%s is taken out of messages, fields, errors and stacks", (_, text) => {
    const { log, lines } = lab();
    log.child({ bound: text }).error({ field: text, deep: { list: [text] }, err: new Error(text) }, text);
    expect(lines.join()).not.toContain(SECRET);
    expect(lines.join()).toContain("[redacted]");
    expect(() => JSON.parse(lines[0]!) as unknown).not.toThrow();
  });

  it("leaves ids, routes, queue names and addresses without a query as they are", () => {
    const fields = {
      jobId: "acme.zycdbsdbzzzzzrzzzr.00.01kjm6jm000007001f",
      route: "/v1/jobs/{jobId}/artifacts/{+path}",
      queue: "jobs-default-normal",
      error: "connect ECONNREFUSED https://acc.table.core.windows.net/jobs (code=ENOENT)",
    };
    expect(written((log) => log.info(fields, "Basic checks passed; the token endpoint answered"))).toMatchObject(
      fields,
    );
  });
});
