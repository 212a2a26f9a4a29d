/** The system itself as the API shows it: the last sweep, programs, their consoles and restarts. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { startMemoryQueue } from "../../support/stores/memory-queue.ts";
import { startTestApi, type TestApi } from "../../support/api/test-api.ts";
import { TEST_CONSOLE, TEST_PROGRAM } from "../../support/api/test-programs.ts";

const backing = startMemoryQueue();
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi(backing.connect());
});
afterAll(() => api[Symbol.asyncDispose]());

it("says when the sweeper has looked, once it has", async () => {
  const view = { programs: [{ ...TEST_PROGRAM, startedAt: TEST_PROGRAM.startedAt.toISOString() }] };
  expect((await api.get("/v1/system")).body).toEqual(view);
  const sweptAt = new Date();
  await api.stores.sweepNotes.write({ sweptAt, sweptBy: "api-1" });
  expect((await api.get("/v1/system")).body).toEqual({ ...view, sweptAt: sweptAt.toISOString() });
});

it("lists the programs also while storage is away, because storage may be the one to restart", async () => {
  const away = () => Promise.reject(new UnavailableError("StorageUnavailable", "The table does not answer."));
  await using other = await startTestApi(backing.connect(), {
    stores: { ...api.stores, sweepNotes: { ...api.stores.sweepNotes, read: away } },
  });
  const { status, body } = await other.get("/v1/system");
  expect([status, Object.keys(body)]).toEqual([200, ["programs"]]);
});

it("gives the console of a program as text, and restarts it", async () => {
  const { headers, body } = await api.get("/v1/system/programs/worker-1/console");
  expect(headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(body).toBe(TEST_CONSOLE);
  expect((await api.post("/v1/system/programs/worker-1/restart")).body).toMatchObject({ name: "worker-1" });
  expect(api.programs.restarts).toEqual(["worker-1"]);
});

it("does not find a program that is not there, whatever its name", async () => {
  for (const name of [
    "nobody",
    "a%2Fb",
    "..%2F..%2Fetc%2Fpasswd",
    "worker-1.log",
    "__proto__",
    "%00",
    "x".repeat(2_000),
  ]) {
    const path = `/v1/system/programs/${name}`;
    expect((await api.get(`${path}/console`)).body.error.code).toBe("ProgramNotFound");
    expect((await api.post(`${path}/restart`)).body.error.code).toBe("ProgramNotFound");
  }
  expect(api.programs.restarts).toEqual(["worker-1"]);
});
