/** Jobs typed by a declaration: what the compiler refuses, what is sent, and that no code of the package comes along. */
import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { JobServiceClient } from "../../../runtime/client/index.ts";
import { defineJob } from "../../../runtime/job-sdk/index.ts";

const resize = defineJob({
  jobType: "Resize",
  parameters: z.object({ image: z.string(), sizes: z.array(z.int()).default([64]) }),
  output: z.object({ count: z.number().transform(String) }),
  run: ({ parameters }) => ({ output: { count: parameters.sizes.length } }),
});
const plain = defineJob({ jobType: "Plain", run: () => undefined });

const ABOUT = { tenantName: "demo", jobName: "cat", jobProcessorPackageName: "resize.zip" };

function clientWith(answer: object) {
  const sent: { url: string; body: unknown }[] = [];
  const client = new JobServiceClient("http://127.0.0.1:1", {
    fetch: (url, init) => {
      sent.push({ url, body: typeof init?.body === "string" ? JSON.parse(init.body) : undefined });
      return Promise.resolve(Response.json(answer, { status: 201 }));
    },
  });
  return { client, sent };
}

describe("a job typed by its declaration", () => {
  it("is submitted with its type and the given parameters", async () => {
    const { client, sent } = clientWith({ jobId: "demo.b.0.j" });
    const job = client.job<typeof resize>(resize.jobType ?? "");
    const jobId = await job.submit({ ...ABOUT, parameters: { image: "cat.png" } }, "demo.b");
    expect(jobId).toBe("demo.b.0.j");
    expect(sent[0]).toEqual({
      url: "http://127.0.0.1:1/v1/jobs",
      body: { ...ABOUT, jobType: "Resize", batchId: "demo.b", parameters: { image: "cat.png" } },
    });
  });

  it("has the types of the schema on its way in and out", () => {
    const job = clientWith({}).client.job<typeof resize>("Resize");
    type Submitted = Parameters<typeof job.submit>[0];
    type Ended = Awaited<ReturnType<typeof job.wait>>;
    expectTypeOf<Submitted["parameters"]>().toEqualTypeOf<{ image: string; sizes?: number[] | undefined }>();
    expectTypeOf<Ended["output"]>().toEqualTypeOf<{ count: string } | undefined>();
    // @ts-expect-error: image is a text.
    expectTypeOf<Submitted["parameters"]>().toExtend<{ image: number }>();
    const wrong = (): Promise<string>[] => [
      // @ts-expect-error: an image is required.
      job.submit({ ...ABOUT, parameters: {} }),
      // @ts-expect-error: parameters are required.
      job.submit({ ...ABOUT }),
    ];
    expect(wrong).toBeTypeOf("function");
    const free = clientWith({}).client.job<typeof plain>(plain.jobType ?? "");
    expect((): Promise<string> => free.submit({ ...ABOUT })).toBeTypeOf("function");
  });

  it("can have types that were written by jobyard types", () => {
    interface Written {
      readonly types?: { readonly parameters: { a: 1 }; readonly output: "b" };
    }
    const job = clientWith({}).client.job<Written>("X");
    expect(job.jobType).toBe("X");
    expectTypeOf<Parameters<typeof job.submit>[0]["parameters"]>().toEqualTypeOf<{ a: 1 }>();
  });

  it("brings no code of the package into the program that submits", async () => {
    const program = `
      import { JobServiceClient } from "../../../runtime/client/index.ts";
      import type thumbnails from "../../../packages-sample/thumbnails/src/thumbnails.ts";
      export const submit = (client: JobServiceClient) => client.job<typeof thumbnails>("Thumbnails").submit({
        tenantName: "demo", jobName: "cat", jobProcessorPackageName: "thumbnails.zip", parameters: { image: "cat.png" },
      });
      new JobServiceClient("http://127.0.0.1:7070");`;
    const { metafile } = await build({
      stdin: { contents: program, loader: "ts", resolveDir: import.meta.dirname },
      absWorkingDir: join(import.meta.dirname, "../../.."),
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: "browser",
      logLevel: "silent",
    });
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.length).toBeGreaterThan(5);
    expect(inputs.filter((input) => /packages-sample|job-sdk|node_modules/.test(input))).toEqual([]);
  });
});
