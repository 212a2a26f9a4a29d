/** Logs of jobs through the API: read, read from a byte on, of any start, and followed while the job runs. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { faulty, type FaultSwitch } from "../../support/faults/faulty.ts";
import { recordingLog } from "../../support/recording-log.ts";
import { claimRow, endRow } from "../../support/stores/row-moves.ts";
import { startTestApi, type TestApi } from "../../support/api/test-api.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { apiStores } from "../../support/stores/api-stores.ts";
import { startTestSystem, type TestSystem, type TestWorker } from "../../support/test-system.ts";

const tenant = freshTenant();
let system: TestSystem;
let worker: TestWorker;

beforeAll(async () => {
  const stores = await apiStores();
  system = await startTestSystem({ stores: () => stores });
  const zip = testPackage({
    jobs: {
      Says: `
        for (;;) {
          const line = await (await fetch(job.parameters.prompter)).text();
          if (line === "") return {};
          context.log(line);
        }`,
      SecondTime: `
        context.log("attempt " + job.attempt);
        if (job.attempt === 1) throw new Error("once more");`,
    },
  });
  await system.publish(tenant, "test.zip", zip);
  worker = await system.startWorker({ slots: 2 });
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

/** Tells a job what to say, a line at a time; an empty one ends it. */
async function startPrompter() {
  const asked: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    asked.push(response);
    server.emit("asked");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async say(line: string): Promise<void> {
      while (asked.length === 0) await once(server, "asked");
      asked.shift()!.end(line);
    },
  };
}

/** Somebody who reads as it comes. */
async function open(path: string, api: TestApi = system.api) {
  const leave = new AbortController();
  onTestFinished(() => leave.abort());
  const response = await fetch(`${api.url}${path}`, { signal: leave.signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    response,
    leave: () => leave.abort(),
    /** Everything so far, as soon as it has that. */
    async until(part: string): Promise<string> {
      while (!text.includes(part)) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`The answer ended without ${part}: ${text}`);
        text += value;
      }
      return text;
    },
    /** Everything, once it has ended. */
    async rest(): Promise<string> {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return text;
        text += value;
      }
    },
  };
}

const pathOf = (jobId: string, query = ""): string => `/v1/jobs/${jobId}/log${query}`;
const read = async (jobId: string, query = ""): Promise<string> =>
  (await fetch(`${system.api.url}${pathOf(jobId, query)}`)).text();

/** A job that no worker of this file hears of. */
async function unheardJob(): Promise<string> {
  const own = freshTenant();
  const body = {
    tenantName: own,
    jobType: "Says",
    jobName: "job",
    jobProcessorPackageName: "test.zip",
    publishLater: true,
  };
  return (await system.api.post("/v1/jobs", { ...body, delayMs: 3_600_000 })).body.jobId;
}

describe("following a log", () => {
  it("gives lines while the job runs, and ends when it does", async () => {
    const prompter = await startPrompter();
    const jobId = await system.submit(tenant, "Says", { parameters: { prompter: prompter.url } });
    const reader = await open(pathOf(jobId, "?follow=true"));
    expect(reader.response.status).toBe(200);
    expect(reader.response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    for (const line of ["first", "second"]) {
      await prompter.say(line);
      expect(await reader.until(`log ${line}\n`)).not.toContain("third");
    }
    expect((await system.api.jobs.get(jobId))!.value.state).toBe("running");
    await prompter.say("third");
    await prompter.say("");
    const whole = await reader.rest();
    expect(whole.match(/(?<= log ).*/g)).toEqual(["first", "second", "third"]);
    expect((await system.until(jobId)).state).toBe("succeeded");
    expect(await read(jobId)).toBe(whole);
    expect(await read(jobId, "?follow=true")).toBe(whole);
  });

  it("a followed log continues from a byte after a broken connection", async () => {
    const prompter = await startPrompter();
    const jobId = await system.submit(tenant, "Says", { parameters: { prompter: prompter.url } });
    const first = await open(pathOf(jobId, "?follow=true"));
    await prompter.say("grüße");
    const before = await first.until("grüße\n");
    first.leave();
    const second = await open(pathOf(jobId, `?follow=true&fromByte=${Buffer.byteLength(before)}`));
    await prompter.say("zwei");
    await prompter.say("");
    const after = await second.rest();
    expect(after).not.toContain("grüße");
    expect(before + after).toBe(await read(jobId));
  });

  it("waits for a job that has not been started, and says at once that it does", async () => {
    const jobId = await unheardJob();
    const reader = await open(pathOf(jobId, "?follow=true"));
    expect(reader.response.status).toBe(200);
    await claimRow(system.api.jobs, jobId);
    const claimId = (await system.api.jobs.get(jobId))!.value.claim!.id;
    await system.api.files.appendLog(jobId, claimId, Buffer.from("now\n"));
    expect(await reader.until("now\n")).toBe("now\n");
    await endRow(system.api.jobs, jobId, "succeeded");
    expect(await reader.rest()).toBe("now\n");
  });

  it("ends for a job that is canceled before it was started", async () => {
    const jobId = await unheardJob();
    const reader = await open(pathOf(jobId, "?follow=true"));
    expect((await system.api.post(`/v1/jobs/${jobId}/cancel`)).status).toBe(200);
    expect(await reader.rest()).toBe("");
  });

  it("a followed log is not read after its client disconnects, and no error is logged", async () => {
    const log = recordingLog();
    const looks = new Map<string, number>();
    await using api = await startTestApi(system.queue(), {
      log,
      stores: system.api.stores,
      wrapJobs: (jobs) => ({
        ...jobs,
        get(jobId) {
          looks.set(jobId, (looks.get(jobId) ?? 0) + 1);
          return jobs.get(jobId);
        },
      }),
    });
    const [left, stayed] = [await unheardJob(), await unheardJob()];
    const leaver = await open(pathOf(left, "?follow=true"), api);
    const stayer = await open(pathOf(stayed, "?follow=true"), api);
    await expect.poll(() => looks.get(left), { timeout: 60_000 }).toBeGreaterThan(1);
    leaver.leave();
    // The line of a request is written when it is over.
    await expect.poll(() => log.messages(), { timeout: 60_000 }).toEqual(["request"]);
    const [leftAt, stayedAt] = [looks.get(left)!, looks.get(stayed)!];
    await expect.poll(() => looks.get(stayed), { timeout: 60_000 }).toBeGreaterThan(stayedAt + 2);
    // One look may have been under way when the client left.
    expect(looks.get(left)).toBeLessThanOrEqual(leftAt + 1);
    stayer.leave();
    await expect.poll(() => log.messages(), { timeout: 60_000 }).toEqual(["request", "request"]);
  });

  it("the connection breaks and an error is logged when storage fails, so a part is not taken for the whole log", async () => {
    const log = recordingLog();
    const storage: FaultSwitch = { fault: undefined };
    await using api = await startTestApi(system.queue(), {
      log,
      stores: system.api.stores,
      wrapJobs: (jobs) => faulty(jobs, storage),
    });
    const reader = await open(pathOf(await unheardJob(), "?follow=true"), api);
    storage.fault = new UnavailableError("StorageUnavailable", "The table does not answer.");
    await expect(reader.rest()).rejects.toThrow();
    await expect.poll(() => log.messages(), { timeout: 60_000 }).toContain("request failed");
  });
});

describe("reading a log", () => {
  it("returns the log of the latest start, or of the requested one", async () => {
    const retry = { maxAttempts: 2, initialDelayMs: 0 };
    const jobId = await system.submit(tenant, "SecondTime", { retry });
    expect(await system.until(jobId)).toMatchObject({ state: "succeeded", executions: 2 });
    for (const follow of ["false", "true"]) {
      expect(await read(jobId, `?follow=${follow}`)).toContain("log attempt 2\n");
      expect(await read(jobId, `?follow=${follow}&execution=2`)).not.toContain("attempt 1");
      const first = await read(jobId, `?follow=${follow}&execution=1`);
      expect(first).toContain("log attempt 1\n");
      expect(first).not.toContain("attempt 2");
    }
    expect(await system.api.get(pathOf(jobId, "?execution=3"))).toMatchObject({
      status: 404,
      body: { error: { code: "LogNotFound" } },
    });
    expect((await system.api.get(pathOf(jobId, "?execution=3&follow=true"))).body).toBe("");
  });

  it("a log read from a byte omits what the reader has, and is empty after its end", async () => {
    const jobId = await unheardJob();
    expect((await system.api.get(pathOf(jobId))).body.error.code).toBe("LogNotFound");
    await claimRow(system.api.jobs, jobId);
    const claimId = (await system.api.jobs.get(jobId))!.value.claim!.id;
    await system.api.files.appendLog(jobId, claimId, Buffer.from("abcdef"));
    const rests = await Promise.all([0, 2, 5, 6, 7, 1_000_000].map((from) => read(jobId, `?fromByte=${from}`)));
    expect(rests).toEqual(["abcdef", "cdef", "f", "", "", ""]);
  });

  it.each(["execution=0", "execution=x", "fromByte=-1", "fromByte=1.5", "follow=yes", "tail=5"])(
    "refuses %s",
    async (query) => {
      expect((await system.api.get(pathOf(await unheardJob(), `?${query}`))).status).toBe(400);
    },
  );
});
