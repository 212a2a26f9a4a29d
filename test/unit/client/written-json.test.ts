import { describe, expect, it } from "vitest";
import { createManagement } from "../../../runtime/client/management.ts";
import { retryPolicy } from "../../../runtime/client/retry.ts";
import { createTransport, type Fetch } from "../../../runtime/client/transport.ts";

const JOB = { tenantName: "acme", jobType: "Echo", jobName: "echo", jobProcessorPackageName: "echo.zip" };

function clientOf(fetch: Fetch) {
  const transport = createTransport({
    baseUrl: "http://service",
    fetch,
    policy: retryPolicy(),
    answerWithinMs: 60_000,
    authorize: () => Promise.resolve(undefined),
  });
  return createManagement(transport, { getJob: () => Promise.reject(new Error("not asked for")) });
}

const cycle: unknown[] = [];
cycle.push(cycle);

describe("parameters that JSON would not keep", () => {
  it.each<[string, unknown, string]>([
    ["NaN", { rate: NaN }, "parameters.rate: NaN cannot be written as JSON"],
    ["a BigInt", [1n], "parameters[0]: the BigInt 1 cannot be written as JSON"],
    ["a Promise", Promise.resolve(1), "parameters: a value of type Promise cannot be written as JSON"],
    ["a cycle", cycle, "body: cannot be written as JSON: "],
  ])("are refused before anything is sent: %s", async (_, parameters, message) => {
    let sent = 0;
    const client = clientOf(() => Promise.reject(new Error(`sent ${++sent}`)));
    const expected = { code: "InvalidRequest", message: expect.stringContaining(message) as string, retryable: false };
    await expect(client.submitJob({ ...JOB, parameters })).rejects.toMatchObject(expected);
    await expect(client.submitJobs([{ ...JOB, parameters }]).next()).rejects.toMatchObject(expected);
    expect(sent).toBe(0);
  });
});

it("sends JSON with its type, and again with a new token", async () => {
  const sent: unknown[] = [];
  const client = clientOf((_url, init) => {
    sent.push(init?.body, (init?.headers as Record<string, string>)["content-type"]);
    return Promise.resolve(
      sent.length === 2 ? new Response(null, { status: 401 }) : Response.json({ jobId: "j" }, { status: 201 }),
    );
  });
  expect(await client.submitJob({ ...JOB, parameters: { at: new Date(0), n: null } })).toBe("j");
  const body = JSON.stringify({ ...JOB, parameters: { at: "1970-01-01T00:00:00.000Z", n: null } });
  expect(sent).toEqual([body, "application/json", body, "application/json"]);
});
