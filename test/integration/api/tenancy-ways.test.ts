/** What could lead from one tenant to another: tokens of pages, keys, paths, requests about many, grants taken away. */
import { randomBytes } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import type { AppRole } from "../../../runtime/core/http/access.ts";
import { claimRow } from "../../support/stores/row-moves.ts";
import { startTenancyLab, type Grants, type TestCaller } from "../../support/api/tenancy-lab.ts";
import { emptyPlace, jobRequest, type Place } from "../../support/api/tenant-place.ts";

const lab = await startTenancyLab();
const { api, open, wire } = lab;
const callerWith = (role: AppRole, grants: Grants): Promise<TestCaller> => lab.callerWith(role, grants);
const placeIn = (tenantName: string): Place => lab.place(tenantName);
const { a: A, b: B, nobody: NOBODY } = lab.names;
afterAll(() => lab[Symbol.asyncDispose]());

interface Answered {
  readonly status: number;
  readonly body: {
    readonly items: readonly { readonly batchId: string; readonly jobId: string; readonly packageName: string }[];
    readonly continuationToken: string;
    readonly results: readonly {
      readonly jobId: string;
      readonly state?: string;
      readonly error?: { readonly code: string };
    }[];
    readonly jobId: string;
    readonly batchId: string;
    readonly error: { readonly code: string; readonly message: string };
  };
}

async function request(
  caller: TestCaller,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answered> {
  const answer = await wire.send({
    method,
    path,
    headers: { ...caller.headers, ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  api.contract.check(method, path, answer);
  return { status: answer.status, body: (answer.text === "" ? {} : JSON.parse(answer.text)) as Answered["body"] };
}

const fresh = (): string => randomBytes(6).toString("hex");

describe("a continuation token", () => {
  it("of one tenant's batches opens no list of another's", async () => {
    await Promise.all([A, A, B, B].map((tenantName) => placeIn(tenantName).batch()));
    const both = await callerWith("Jobs.Read", { [A]: "read", [B]: "read" });
    const onlyB = await callerWith("Jobs.Read", { [B]: "read" });
    const { body } = await request(both, "GET", `/v1/batches?tenantName=${A}&pageSize=1`);
    const ofA = encodeURIComponent(body.continuationToken);
    for (const caller of [both, onlyB]) {
      const answer = await request(caller, "GET", `/v1/batches?tenantName=${B}&continuationToken=${ofA}`);
      const garbage = await request(caller, "GET", `/v1/batches?tenantName=${B}&continuationToken=x`);
      expect([answer.status, answer.body.error.message]).toEqual([400, garbage.body.error.message]);
    }
    // It brings no rights to the list it is of.
    const again = await request(onlyB, "GET", `/v1/batches?tenantName=${A}&continuationToken=${ofA}`);
    expect([again.status, again.body]).toEqual([200, { items: [] }]);
  });

  it("of one batch's jobs opens no other batch", async () => {
    const [mine, theirs] = [await placeIn(B).batch(), await placeIn(A).batch()];
    const both = await callerWith("Jobs.Read", { [A]: "read", [B]: "read" });
    const { body } = await request(both, "GET", `/v1/batches/${theirs}/jobs?pageSize=1`);
    const token = encodeURIComponent(body.continuationToken);
    const answer = await request(both, "GET", `/v1/batches/${mine}/jobs?continuationToken=${token}`);
    expect([answer.status, answer.body.error.code]).toEqual([400, "InvalidRequest"]);
  });

  it("a list of packages shows one tenant's packages, to callers who may read them", async () => {
    const [a, b] = [placeIn(A), placeIn(B)];
    const namesOfA = [await a.packageName(), await a.packageName()].toSorted();
    const namesOfB = new Set([await b.packageName(), await b.packageName()]);
    const onlyA = await callerWith("Jobs.Read", { [A]: "read" });
    const onlyB = await callerWith("Jobs.Read", { [B]: "read" });
    const { body } = await request(onlyA, "GET", `/v1/tenants/${A}/packages?pageSize=1`);
    const query = `?continuationToken=${encodeURIComponent(body.continuationToken)}`;
    const ofB = await request(onlyB, "GET", `/v1/tenants/${B}/packages${query}`);
    expect(ofB.body.items.filter(({ packageName }) => namesOfA.includes(packageName))).toEqual([]);
    expect(namesOfB.size).toBe(2);
    expect((await request(onlyB, "GET", `/v1/tenants/${A}/packages${query}`)).body).toEqual({ items: [] });
  });
});

describe("keys of callers", () => {
  it("of two tenants do not meet: each has its own job, batch and repeat", async () => {
    const [inA, inB] = [
      await callerWith("Jobs.Submit", { [A]: "submit" }),
      await callerWith("Jobs.Submit", { [B]: "submit" }),
    ];
    const key = { "idempotency-key": fresh() };
    const clientJobId = `order-${fresh()}`;
    const submit = (caller: TestCaller, tenantName: string) =>
      request(caller, "POST", "/v1/jobs", { ...jobRequest(tenantName), clientJobId }, key);
    const [jobA, jobB] = [await submit(inA, A), await submit(inB, B)];
    expect([jobA.status, jobB.status]).toEqual([201, 201]);
    expect(jobA.body.jobId.startsWith(`${A}.`) && jobB.body.jobId.startsWith(`${B}.`)).toBe(true);
    expect(await submit(inB, B)).toMatchObject({ status: 200, body: { jobId: jobB.body.jobId } });

    const create = (caller: TestCaller, tenantName: string) =>
      request(caller, "POST", "/v1/batches", { tenantName, batchName: "A batch" }, { "idempotency-key": fresh() });
    const both = [await create(inA, A), await create(inB, B)];
    expect(both.map(({ status }) => status)).toEqual([201, 201]);

    const found = await request(inB, "GET", `/v1/tenants/${B}/jobs/${clientJobId}`);
    expect(found.body.jobId).toBe(jobB.body.jobId);
    expect((await request(inB, "GET", `/v1/tenants/${A}/jobs/${clientJobId}`)).status).toBe(404);
  });

  it("of a tenant say nothing to strangers, whether they are taken or not", async () => {
    const inA = await callerWith("Jobs.Submit", { [A]: "submit" });
    const stranger = await callerWith("Jobs.Submit", { [B]: "submit" });
    const taken = { "idempotency-key": fresh() };
    const job = { ...jobRequest(A), clientJobId: `order-${fresh()}` };
    expect((await request(inA, "POST", "/v1/jobs", job, taken)).status).toBe(201);
    const answers = await Promise.all([
      request(stranger, "POST", "/v1/jobs", job, taken),
      request(stranger, "POST", "/v1/jobs", { ...job, jobName: "other" }, taken),
      request(stranger, "POST", "/v1/jobs", jobRequest(A), { "idempotency-key": fresh() }),
    ]);
    expect(answers.map(({ status, body }) => [status, body.error.code, body.error.message])).toEqual(
      answers.map(() => [404, "BatchNotFound", `There is no tenant ${A} for this caller.`]),
    );
  });
});

describe("a path", () => {
  it("cannot lead from a job's artifacts to another's, however it is written", async () => {
    const [mine, theirs] = [await placeIn(B).jobWithFiles(), await placeIn(A).jobWithFiles()];
    const claimId = (await open.jobs.get(theirs))?.value.claim?.id ?? "";
    const caller = await callerWith("Jobs.Read", { [B]: "read" });
    expect(
      (await wire.send({ method: "GET", path: `/v1/jobs/${mine}/artifacts/report.txt`, headers: caller.headers }))
        .status,
    ).toBe(200);
    const target = `${A}/${theirs}/${claimId}/report.txt`;
    const ways = [
      `../../../${target}`,
      `..%2f..%2f..%2f${target.replaceAll("/", "%2f")}`,
      `%2e%2e/%2e%2e/%2e%2e/${target}`,
      `..%5c..%5c..%5c${target.replaceAll("/", "%5c")}`,
      `%252e%252e%252f%252e%252e%252f%252e%252e%252f${target}`,
      `./../../../${target}`,
      `x/../../../../${target}`,
      `/${target}`,
      `%2f${target}`,
      `report.txt%00/../../../../${target}`,
    ];
    for (const way of ways) {
      const path = `/v1/jobs/${mine}/artifacts/${way}`;
      const answer = await wire.send({ method: "GET", path, headers: caller.headers });
      expect([way, answer.status, answer.text.includes("tenant-place")]).toEqual([way, 404, false]);
    }
    for (const id of [`${mine}%2f..%2f${theirs}`, `${mine}%2f..%2f..%2f${A}%2f${theirs}`, `..%2f${A}%2f${theirs}`]) {
      const answer = await wire.send({
        method: "GET",
        path: `/v1/jobs/${id}/artifacts/report.txt`,
        headers: caller.headers,
      });
      expect([id, answer.status]).toEqual([id, 404]);
    }
  });

  it("of a package stays in its tenant, also where one name begins with the other", async () => {
    const short = `t${fresh()}`;
    const long = `${short}2`;
    const own = placeIn(long);
    const packageName = await own.packageName();
    const caller = await callerWith("Jobs.Submit", { [short]: "manage" });
    expect((await request(caller, "GET", `/v1/tenants/${short}/packages`)).body).toEqual({ items: [] });
    for (const path of [
      `/v1/tenants/${short}/packages/${packageName}`,
      `/v1/tenants/${long}/packages/${packageName}`,
      `/v1/tenants/${short}/packages/${packageName}/versions`,
    ]) {
      expect([path, (await request(caller, "GET", path)).status]).toEqual([path, 404]);
    }
    expect((await request(caller, "DELETE", `/v1/tenants/${short}/packages/${packageName}`)).status).toBe(404);
    for (const way of [`..%2f${long}%2f${packageName}`, `2%2f${packageName}`, `%2e%2e%2f${long}%2f${packageName}`]) {
      const answer = await request(caller, "GET", `/v1/tenants/${short}/packages/${way}`);
      expect([way, answer.status]).toEqual([way, 400]);
    }
    expect((await request(caller, "GET", `/v1/batches?tenantName=${long}`)).body).toEqual({ items: [] });
    expect((await open.get(`/v1/tenants/${long}/packages/${packageName}`)).status).toBe(200);
  });
});

describe("a request about many", () => {
  it("a bulk submit to another tenant's batch is refused as a whole and changes nothing", async () => {
    const theirs = await placeIn(A).batch();
    const caller = await callerWith("Jobs.Submit", { [B]: "manage" });
    for (const tenantName of [A, B]) {
      const answer = await request(caller, "POST", "/v1/jobs/bulk", {
        batchId: theirs,
        jobs: [jobRequest(tenantName)],
      });
      expect([answer.status, answer.body.error.message]).toEqual([404, `There is no batch ${theirs}.`]);
    }
    expect((await open.get(`/v1/batches/${theirs}`)).body.counts?.total).toBe(1);
  });

  it("serves the caller's own and refuses the others', each in its place", async () => {
    const [mine, theirs] = [await placeIn(B).failedJob(), await placeIn(A).failedJob()];
    const missing = await emptyPlace(A).failedJob();
    const caller = await callerWith("Jobs.Submit", { [B]: "submit" });
    const requeued = await request(caller, "POST", "/v1/jobs/requeue", { jobIds: [theirs, mine, missing] });
    const refused = (jobId: string) => ({
      jobId,
      error: { code: "JobNotFound", message: `There is no job ${jobId}.` },
    });
    expect(requeued.body.results).toEqual([refused(theirs), { jobId: mine, state: "queued" }, refused(missing)]);
    expect((await open.jobs.get(theirs))?.value.state).toBe("failed");

    const submitted = await request(caller, "POST", "/v1/jobs/bulk", {
      jobs: [jobRequest(A), jobRequest(B), jobRequest(NOBODY)],
    });
    expect(submitted.body.results.map(({ error }) => error?.code)).toEqual([
      "BatchNotFound",
      undefined,
      "BatchNotFound",
    ]);
  });
});

describe("dead letters", () => {
  it("dead letters are listed for the caller's tenants only, with any filter", async () => {
    const [a, b] = [placeIn(A), placeIn(B)];
    await Promise.all([a.letter(), b.letter()]);
    const caller = await callerWith("Jobs.Submit", { [B]: "manage" });
    for (const query of ["", `?tenantName=${B}`, "?poison=true", `?poison=true&tenantName=${A}`, `?tenantName=${A}`]) {
      const { status, body } = await request(caller, "GET", `/v1/dead-letters${query}`);
      expect(status).toBe(200);
      expect(body.items.filter(({ jobId }) => !jobId.startsWith(`${B}.`))).toEqual([]);
      expect([query, body.items.length > 0]).toEqual([query, !query.includes(A)]);
    }
    const nobody = await callerWith("Jobs.Submit", {});
    expect((await request(nobody, "GET", "/v1/dead-letters?poison=true")).body).toEqual({ items: [] });
  });

  it("of others cannot be removed", async () => {
    const number = await placeIn(A).letter();
    const path = `/v1/dead-letters/jobs-default-normal/${number}`;
    for (const grants of [{ [B]: "manage" }, { [A]: "submit" }] as const) {
      expect((await request(await callerWith("Jobs.Submit", grants), "DELETE", path)).status).toBe(404);
    }
    expect((await request(await callerWith("Jobs.Submit", { [A]: "manage" }), "DELETE", path)).status).toBe(204);
  });
});

describe("a grant that is taken away", () => {
  it("ends a log that is being followed", async () => {
    const jobId = await placeIn(A).queuedJob();
    await claimRow(open.jobs, jobId);
    const claimId = (await open.jobs.get(jobId))?.value.claim?.id ?? "";
    await open.files.appendLog(jobId, claimId, Buffer.from("one\n"));
    const caller = await callerWith("Jobs.Read", { [A]: "read" });
    const response = await fetch(`${api.url}/v1/jobs/${jobId}/log?follow=true`, { headers: caller.headers });
    const reader = response.body!.getReader();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("one\n");
    await lab.tenants.removeGrant(A, caller.principalId);
    // The job goes on; only this answer ends.
    expect((await reader.read()).done).toBe(true);
    expect((await request(caller, "GET", `/v1/jobs/${jobId}`)).status).toBe(404);
  });
});
