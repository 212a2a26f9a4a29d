import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import {
  type Job,
  type JobContext,
  type JobDefinition,
  NonRetryableError,
  defineJob,
  isJobDefinition,
  isNonRetryable,
} from "../../../runtime/job-sdk/index.ts";

const job: Job = {
  jobId: "job",
  batchId: "batch",
  tenantName: "demo",
  jobName: "a job",
  jobType: "Sum",
  parameters: { a: 2, b: 3 },
  attempt: 1,
  interruption: 0,
  claimId: "claim",
  workerId: "worker-1",
};

const context: JobContext = {
  packagePath: "/package",
  workingPath: "/work",
  outputPath: "/output",
  progress: () => undefined,
  log: () => undefined,
  signal: new AbortController().signal,
  settings: {},
  credential: { getToken: () => Promise.reject(new Error("No identity.")) },
  services: { factor: 10 },
};

const sum = defineJob({
  jobType: "Sum",
  retry: { maxAttempts: 5 },
  timeoutMs: 1_000,
  parameters: (value) => value as { a: number; b: number },
  run({ parameters }, { services }: JobContext<{ factor: number }>) {
    return { output: (parameters.a + parameters.b) * services.factor };
  },
});

describe("defineJob", () => {
  it("returns a frozen definition that is recognised", () => {
    expect(isJobDefinition(sum)).toBe(true);
    expect(Object.isFrozen(sum)).toBe(true);
    expect(sum).toMatchObject({ jobType: "Sum", retry: { maxAttempts: 5 }, timeoutMs: 1_000 });
    expectTypeOf(sum).toEqualTypeOf<JobDefinition<{ a: number; b: number }, number>>();
  });

  it("does not recognise an object that only looks like a definition", () => {
    expect([undefined, null, 1, "Sum", {}, { jobType: "Sum", run: () => undefined }].some(isJobDefinition)).toBe(false);
  });

  it("runs with typed parameters and services", async () => {
    await expect(sum.run(job, context)).resolves.toEqual({ output: 50 });
  });

  it("passes unchecked parameters on unchanged", async () => {
    const echo = defineJob<{ a: number }>({ jobType: "Echo", run: ({ parameters }) => ({ output: parameters.a }) });
    await expect(echo.run(job, context)).resolves.toEqual({ output: 2 });
  });

  it("allows a job to return nothing", async () => {
    const silent = defineJob({ jobType: "Silent", async run() {} });
    await expect(silent.run(job, context)).resolves.toBeUndefined();
  });

  it("fails without a retry when parameters are refused", async () => {
    const picky = defineJob({
      jobType: "Picky",
      parameters: (): number => {
        throw new TypeError("year: expected a number");
      },
      run: () => undefined,
    });
    const failure: unknown = await picky.run(job, context).catch((error: unknown) => error);
    expect(isNonRetryable(failure)).toBe(true);
    expect(failure).toMatchObject({ message: "The parameters do not fit Picky: year: expected a number" });
  });

  it("checks parameters with a schema and infers their type", async () => {
    const typed = defineJob({
      jobType: "Typed",
      parameters: z.object({ a: z.number(), list: z.array(z.int()).default([]) }),
      run({ parameters }) {
        expectTypeOf(parameters).toEqualTypeOf<{ a: number; list: number[] }>();
        return { output: parameters };
      },
    });
    await expect(typed.run(job, context)).resolves.toEqual({ output: { a: 2, list: [] } });
    const failure: unknown = await typed
      .run({ ...job, parameters: { list: [1, "2"] } }, context)
      .catch((error: unknown) => error);
    expect(isNonRetryable(failure)).toBe(true);
    expect(String(failure)).toContain("The parameters do not fit Typed: a: ");
    expect(String(failure)).toContain("; list.1: ");
  });

  it("checks the output with a schema, keeps what the schema makes of it, and infers both types", async () => {
    const typed = defineJob({
      jobType: "Typed",
      parameters: z.object({ a: z.coerce.number<string>(), b: z.int().default(1) }),
      output: z.object({ sum: z.number(), text: z.number().transform(String) }),
      run: ({ parameters: { a, b } }) => ({ output: { sum: a + b, text: 7, more: true } }),
    });
    expectTypeOf(typed).toEqualTypeOf<
      JobDefinition<{ a: string; b?: number | undefined }, { sum: number; text: string }>
    >();
    const submitted = { ...job, parameters: { a: "2" } };
    await expect(typed.run(submitted, context)).resolves.toEqual({ output: { sum: 3, text: "7" } });
  });

  it.each([
    ["has wrong fields", () => ({ output: { sum: "3" } }), "sum: "],
    ["is missing", () => undefined, "expected object"],
  ])("fails without a retry when the output %s", async (_, run, reason) => {
    const output = z.object({ sum: z.number() });
    const wrong = defineJob({ jobType: "Wrong", output, run: run as unknown as () => { output: { sum: number } } });
    const failure: unknown = await wrong.run(job, context).catch((error: unknown) => error);
    expect(isNonRetryable(failure)).toBe(true);
    expect(String(failure)).toContain("The output does not fit the schema of Wrong: ");
    expect(String(failure)).toContain(reason);
  });

  it("refuses at compile time to return another output than its schema has", () => {
    // @ts-expect-error: sum is a number.
    defineJob({ jobType: "Typed", output: z.object({ sum: z.number() }), run: () => ({ output: { sum: "3" } }) });
  });

  it("rethrows the job's error", async () => {
    const failing = defineJob({
      jobType: "Failing",
      run() {
        throw new NonRetryableError("no such account", { cause: "ledger" });
      },
    });
    const failure: unknown = await failing.run(job, context).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(NonRetryableError);
    expect(isNonRetryable(failure)).toBe(true);
    expect(isNonRetryable(new Error("ordinary"))).toBe(false);
  });
});
