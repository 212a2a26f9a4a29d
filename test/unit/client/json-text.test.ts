import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JobServiceClient, JobServiceError, type JobSubmission } from "../../../runtime/client/index.ts";
import { jsonText } from "../../../runtime/client/json-text.ts";

const job = { jobType: "A", jobName: "A", tenantName: "acme", jobProcessorPackageName: "a.zip" };

function cyclic(): unknown {
  const one: Record<string, unknown> = {};
  one["items"] = [{ one }];
  return one;
}

const REFUSED: readonly (readonly [what: string, parameters: unknown, target: string, problem: string])[] = [
  ["a BigInt", { total: 1n }, "parameters.total", "the BigInt 1 cannot"],
  ["NaN", { items: [1, { rate: NaN }] }, "parameters.items[1].rate", "NaN cannot"],
  ["an infinite number", [-Infinity], "parameters[0]", "-Infinity cannot"],
  ["a function", { done: () => 1 }, "parameters.done", "a function cannot"],
  ["a symbol", { kind: Symbol("x") }, "parameters.kind", "a symbol cannot"],
  ["a hole in a list", [1, undefined], "parameters[1]", "undefined cannot"],
  ["a cycle", cyclic(), "parameters.items[0].one", "an object that contains itself cannot"],
  ["a map", { by: new Map([[1, 2]]) }, "parameters.by", "a value of type Map cannot"],
  ["a promise that was not awaited", { user: Promise.resolve(1) }, "parameters.user", "a value of type Promise cannot"],
  ["bytes", { file: new Uint8Array(2) }, "parameters.file", "a value of type Uint8Array cannot"],
  ["an error", { cause: new Error("x") }, "parameters.cause", "a value of type Error cannot"],
  ["an invalid date", { at: new Date("x") }, "parameters.at", "an invalid Date cannot"],
];

describe("a job with values that JSON cannot hold", () => {
  it.each(REFUSED)(
    "is refused for %s, by the field, before anything is sent",
    async (_what, parameters, target, problem) => {
      let calls = 0;
      const fetch = (): Promise<Response> => {
        calls++;
        return Promise.reject(new Error("nobody is there"));
      };
      const client = new JobServiceClient("http://127.0.0.1:9", { fetch });
      const error: unknown = await client.management
        .submitJob({ ...job, parameters })
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(JobServiceError);
      expect(error).toMatchObject({ code: "InvalidRequest", target, retryable: false });
      expect((error as Error).message).toContain(`${target}: ${problem}`);
      expect(calls).toBe(0);
    },
  );

  it("is refused in its place among other jobs", async () => {
    const sent: string[] = [];
    const fetch = (_url: string, init: RequestInit = {}): Promise<Response> => {
      const lines = (init.body as string).trim().split("\n");
      sent.push(...lines);
      return Promise.resolve(new Response(lines.map((_, i) => `{"jobId":"j${i}","batchId":"b"}\n`).join("")));
    };
    const client = new JobServiceClient("http://127.0.0.1:9", { fetch });
    const jobs: JobSubmission[] = [0, 1n, 2, { n: NaN }].map((parameters) => ({ ...job, parameters }));
    const results: unknown[] = [];
    for await (const result of client.management.submitJobs(jobs)) results.push(result);
    expect(results).toMatchObject([
      { index: 0, jobId: "j0" },
      {
        index: 1,
        error: { code: "InvalidRequest", message: expect.stringContaining("parameters: the BigInt 1") as string },
      },
      { index: 2, jobId: "j1" },
      { index: 3, error: { message: expect.stringContaining("parameters.n: NaN") as string } },
    ]);
    expect(sent).toHaveLength(2);
  });

  it("serializes valid values as JSON.stringify does", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.date({ noInvalidDate: true }), (value, at) => {
        const given = { value, at, absent: undefined, url: new URL("https://a.example/"), shared: [value, value] };
        expect(jsonText(given)).toBe(JSON.stringify(given));
      }),
    );
  });

  it("is refused when it is nested too deeply", () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level++) deep = [deep];
    expect(() => jsonText(deep)).toThrow("more than 64 levels");
  });

  it("is sent with its content type, and again with a new token", async () => {
    const sent: unknown[] = [];
    const fetch = (_url: string, init: RequestInit = {}): Promise<Response> => {
      sent.push(init.body, (init.headers as Record<string, string>)["content-type"]);
      const isFirst = sent.length === 2;
      return Promise.resolve(isFirst ? new Response(null, { status: 401 }) : Response.json({ jobId: "j" }));
    };
    const client = new JobServiceClient("http://127.0.0.1:9", { fetch });
    expect(await client.management.submitJob({ ...job, parameters: { at: new Date(0), n: null } })).toBe("j");
    const body = JSON.stringify({ ...job, parameters: { at: "1970-01-01T00:00:00.000Z", n: null } });
    expect(sent).toEqual([body, "application/json", body, "application/json"]);
  });
});
