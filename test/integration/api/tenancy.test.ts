/**
 * Every operation, for callers with every role and every grant: what they may do works, what they may not is answered
 * as if there were nothing. Tokens are real, signed by an issuer and judged by the API's own code.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGrantsCache } from "../../../runtime/api/auth/grants-cache.ts";
import { httpsJson } from "../../../runtime/api/auth/https-json.ts";
import { createIdentify } from "../../../runtime/api/auth/identify.ts";
import { createSigningKeys } from "../../../runtime/api/auth/signing-keys.ts";
import { createTokenVerifier } from "../../../runtime/api/auth/token-verifier.ts";
import { createTenantStore } from "../../../runtime/azure/index.ts";
import { metadataUrlOf } from "../../../runtime/core/auth-facts.ts";
import type { Access } from "../../../runtime/core/access.ts";
import { APP_ROLES, type AppRole, type TenantAccess } from "../../../runtime/core/grants.ts";
import { letterQueue } from "../../support/letter-queue.ts";
import { silentLog } from "../../support/silent-log.ts";
import { MATRIX, WORKER, type Attempt } from "../../support/tenancy-matrix.ts";
import {
  emptyPlace,
  freshTenantName,
  jobRequest,
  LETTERS_AFTER,
  realPlace,
  type Place,
} from "../../support/tenant-place.ts";
import { startTestApi, type TestApi } from "../../support/test-api.ts";
import { startTestIssuer, type TestIssuer } from "../../support/test-issuer.ts";
import { testStorage } from "../../support/test-storage.ts";
import { openWire, type Wire, type WireAnswer, type WireRequest } from "../../support/wire.ts";

const [A, B, NOBODY] = [freshTenantName(), freshTenantName(), freshTenantName()];
const tenants = createTenantStore({ storage: testStorage() });
const letters = letterQueue(LETTERS_AFTER);
let issuer: TestIssuer;
/** Lets everybody do everything; makes what tests are about. */
let open: TestApi;
/** The one that is tested. */
let api: TestApi;
let wire: Wire;

beforeAll(async () => {
  issuer = await startTestIssuer();
  const keys = createSigningKeys({
    metadataUrl: metadataUrlOf(issuer.settings),
    issuer: issuer.issuer,
    fetchJson: (url) => httpsJson(url, { ca: issuer.ca, timeoutMs: 5_000, maxBytes: 10_000 }),
    now: () => performance.now(),
    log: silentLog,
  });
  const grants = createGrantsCache({ store: tenants, now: () => performance.now() });
  const identify = createIdentify({ verify: createTokenVerifier({ settings: issuer.settings, keys }), grants });
  open = await startTestApi(letters.queue);
  api = await startTestApi(letters.queue, { identify });
  wire = openWire(api.url);
  await Promise.all(
    [A, B].map((tenantName) => tenants.create({ tenantName, createdAt: new Date(), createdBy: "test" })),
  );
  const worker = { ...WORKER, bootId: "boot", startedAt: new Date(), heartbeatAt: new Date(), version: "1" };
  await open.workers.beat({ ...worker, state: "running", slots: 1, claims: [], cancel: [], drain: false }, undefined);
});
afterAll(async () => {
  wire[Symbol.dispose]();
  await Promise.all([open, api, issuer].map((one) => one[Symbol.asyncDispose]()));
});

// --- Callers ---------------------------------------------------------------------------------------------------------

type Grants = Readonly<Record<string, TenantAccess>>;

interface TestCaller {
  readonly role: AppRole | undefined;
  readonly grants: Grants;
  readonly authorization: string;
}

async function callerWith(role: AppRole | undefined, grants: Grants): Promise<TestCaller> {
  const principalId = randomUUID();
  const granted = { principalId, name: "Somebody", grantedAt: new Date(), grantedBy: "test" };
  await Promise.all(
    Object.entries(grants).map(([tenantName, access]) => tenants.putGrant({ ...granted, tenantName, access })),
  );
  const token = await issuer.token({ oid: principalId, roles: role === undefined ? [] : [role] });
  return { role, grants, authorization: `Bearer ${token}` };
}

/** Said once more, apart from the code that is tested. */
const ROLE_OPENS: Readonly<Record<AppRole | "none", readonly Access[]>> = {
  none: [],
  "Jobs.Read": ["read"],
  "Jobs.Submit": ["read", "submit", "manage"],
  "Jobs.Admin": ["read", "submit", "manage", "operate"],
};
const GRANT_OPENS: Readonly<Record<TenantAccess, readonly Access[]>> = {
  read: ["read"],
  submit: ["read", "submit"],
  manage: ["read", "submit", "manage"],
};

type Verdict = "served" | "forbidden" | "hidden";

function verdictFor({ role, grants }: TestCaller, needs: Access, tenantName: string): Verdict {
  if (needs === "anonymous" || needs === "signed-in") return "served";
  if (!ROLE_OPENS[role ?? "none"].includes(needs)) return "forbidden";
  if (role === "Jobs.Admin") return "served";
  const grant = grants[tenantName];
  return grant !== undefined && GRANT_OPENS[grant].includes(needs) ? "served" : "hidden";
}

// --- Requests and answers ----------------------------------------------------------------------------------------------

interface Prepared {
  readonly request: WireRequest;
  readonly place: Place;
}

async function prepare(attempt: Attempt, place: Place): Promise<Prepared> {
  return { request: await attempt.request(place), place };
}

/** Requests about things that are there are made once, as long as nobody was served what can be served once. */
const standing = new Map<string, Promise<Prepared>>();

function prepareReal(key: string, attempt: Attempt, tenantName: string): Promise<Prepared> {
  const name = `${key} ${tenantName}`;
  const known = standing.get(name) ?? prepare(attempt, realPlace(tenantName, { api: open, letters }));
  if (attempt.consumes === true) standing.delete(name);
  else standing.set(name, known);
  return known;
}

async function ask(authorization: string | undefined, { request }: Prepared): Promise<WireAnswer> {
  const headers = { ...request.headers, ...(authorization !== undefined && { authorization }) };
  const answer = await wire.send({ ...request, headers });
  api.contract.check(request.method, request.path, answer);
  return answer;
}

/** These differ from one request to the next, whatever it is about: their names count, what they say does not. */
const VOLATILE = new Set(["date", "x-request-id", "ratelimit", "ratelimit-policy"]);

/** All of an answer but what every answer has for itself, and what the request had said. */
function faceOf(answer: WireAnswer, { names, tenantName }: Place): string {
  const headers = answer.headerNames.map((name) => {
    const value = answer.headers.get(name) ?? "";
    if (VOLATILE.has(name)) return name;
    // Its second half is a hash of the body, request id included; the first is the body's length.
    return `${name}: ${name === "etag" ? (value.split("-")[0] ?? "") : value}`;
  });
  const said = [...names, tenantName].toSorted((a, b) => b.length - a.length);
  const text = said.reduce((rest, name) => rest.replaceAll(name, "…"), answer.text);
  return [String(answer.status), ...headers, text.replace(/"requestId":"[^"]*"/, "")].join("\n");
}

type Lines = readonly { readonly error?: { readonly code: string } }[];

/** What each item of a request for many became. */
function itemsOf({ text, headers }: WireAnswer): Lines {
  if (headers.get("content-type")?.includes("ndjson") !== true) return (JSON.parse(text) as { results: Lines }).results;
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Lines[number]);
}

/** Whether it is answered as what is not there. */
function isRefused({ refusal }: Attempt, answer: WireAnswer): boolean {
  if (refusal === "not-found") return answer.status === 404;
  if (answer.status !== 200) return false;
  if (refusal === "no-items") return answer.text === '{"items":[]}';
  return itemsOf(answer).every(({ error }) => error?.code.endsWith("NotFound") === true);
}

function isServed({ refusal, names }: Attempt, answer: WireAnswer): boolean {
  if (answer.status < 200 || answer.status > 299) return false;
  if (refusal === "item-errors") return itemsOf(answer).every(({ error }) => error === undefined);
  return refusal !== "no-items" || names === "system" || !answer.text.startsWith('{"items":[]');
}

/** How each attempt was refused first: every other refusal must look the same. */
const refusals = new Map<string, string>();

// --- The matrix --------------------------------------------------------------------------------------------------------

const attempts = Object.entries(MATRIX).flatMap(([operationId, all]) =>
  all.map((attempt, index) => ({ key: `${operationId}#${index}`, operationId, attempt })),
);

const GRANTS: readonly (readonly [string, Grants])[] = [
  ["no grant", {}],
  ["read on A", { [A]: "read" }],
  ["submit on A", { [A]: "submit" }],
  ["manage on A", { [A]: "manage" }],
  ["manage on B", { [B]: "manage" }],
  ["read on A and manage on B", { [A]: "read", [B]: "manage" }],
];

const cases = [undefined, ...APP_ROLES].flatMap((role) =>
  GRANTS.map(([what, grants]) => ({ who: `${role ?? "no role"}, ${what}`, role, grants })),
);

/** What is wrong with how the caller is answered about a tenant. */
async function problemsOf(key: string, attempt: Attempt, caller: TestCaller, tenantName: string): Promise<string[]> {
  const problems: string[] = [];
  const tell = (what: string, answer: WireAnswer): unknown =>
    problems.push(`${key}, ${tenantName === A ? "A" : "B"}, ${what}: ${answer.status} ${answer.text.slice(0, 300)}`);

  async function expectRefused(what: string, prepared: Prepared, kind: "forbidden" | "hidden"): Promise<void> {
    const answer = await ask(caller.authorization, prepared);
    const isRight = kind === "forbidden" ? answer.status === 403 : isRefused(attempt, answer);
    if (!isRight) tell(`${what} is not ${kind}`, answer);
    const face = faceOf(answer, prepared.place);
    const first = refusals.get(`${key} ${kind}`) ?? face;
    refusals.set(`${key} ${kind}`, first);
    if (face !== first) tell(`${what} can be told apart from\n${first}\nbeing\n${face}\nfor`, answer);
  }

  const verdict = verdictFor(caller, attempt.needs, tenantName);
  const real = await prepareReal(key, attempt, tenantName);
  if (verdict === "served") {
    const answer = await ask(caller.authorization, real);
    if (!isServed(attempt, answer)) tell("is not served", answer);
    if (attempt.names === "thing") {
      // Of one's own tenant too, what is not there looks like what is none of one's business.
      await expectRefused("what is not there", await prepare(attempt, emptyPlace(tenantName)), "hidden");
    }
    return problems;
  }
  await expectRefused("what is there", real, verdict);
  await expectRefused("what is not there", await prepare(attempt, emptyPlace(tenantName)), verdict);
  await expectRefused("what is of a tenant nobody has", await prepare(attempt, emptyPlace(NOBODY)), verdict);
  // A refused request has changed nothing: the next caller gets this very thing.
  if (attempt.consumes === true) standing.set(`${key} ${tenantName}`, Promise.resolve(real));
  return problems;
}

describe("the tenancy matrix", () => {
  it("has every operation of the document, each with what it needs there", () => {
    const needs = (operationId: string): readonly string[] =>
      MATRIX[operationId]?.map((attempt) => attempt.needs) ?? [];
    for (const operation of api.contract.operations) {
      expect([operation.operationId, ...new Set(needs(operation.operationId))]).toEqual([
        operation.operationId,
        operation["x-needs"],
      ]);
    }
    expect(Object.keys(MATRIX).toSorted()).toEqual(
      api.contract.operations.map(({ operationId }) => operationId).toSorted(),
    );
  });

  it.each(cases)("holds for a caller with $who", async ({ role, grants }) => {
    const caller = await callerWith(role, grants);
    const problems = await Promise.all(
      attempts.map(async ({ key, attempt }) => [
        ...(await problemsOf(key, attempt, caller, A)),
        ...(await problemsOf(key, attempt, caller, B)),
      ]),
    );
    expect(problems.flat()).toEqual([]);
  });

  it("lets nobody in without a token, and says the same of what is there and what is not", async () => {
    for (const { key, attempt } of attempts) {
      if (attempt.needs === "anonymous") continue;
      const real = await prepareReal(key, attempt, A);
      const missing = await prepare(attempt, emptyPlace(A));
      const [first, second] = [await ask(undefined, real), await ask(undefined, missing)];
      expect([key, first.status, second.status]).toEqual([key, 401, 401]);
      expect(faceOf(first, real.place)).toBe(faceOf(second, missing.place));
      if (attempt.consumes === true) standing.set(`${key} ${A}`, Promise.resolve(real));
    }
  });
});

// --- What leads from one tenant to another ------------------------------------------------------------------------------

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
  const { authorization } = caller;
  const answer = await wire.send({
    method,
    path,
    headers: { authorization, ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  api.contract.check(method, path, answer);
  return { status: answer.status, body: (answer.text === "" ? {} : JSON.parse(answer.text)) as Answered["body"] };
}

const headersOf = ({ authorization }: TestCaller) => ({ authorization });
const placeIn = (tenantName: string): Place => realPlace(tenantName, { api: open, letters });
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

  it("of one tenant's packages shows another's only to who may read them, and only theirs", async () => {
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
      (await wire.send({ method: "GET", path: `/v1/jobs/${mine}/artifacts/report.txt`, headers: headersOf(caller) }))
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
      const answer = await wire.send({ method: "GET", path, headers: headersOf(caller) });
      expect([way, answer.status, answer.text.includes("tenant-place")]).toEqual([way, 404, false]);
    }
    for (const id of [`${mine}%2f..%2f${theirs}`, `${mine}%2f..%2f..%2f${A}%2f${theirs}`, `..%2f${A}%2f${theirs}`]) {
      const answer = await wire.send({
        method: "GET",
        path: `/v1/jobs/${id}/artifacts/report.txt`,
        headers: headersOf(caller),
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
  it("is refused as a whole with a batch of somebody else's, and changes nothing there", async () => {
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
  it("are listed of the caller's tenants only, asked for by name or not, poison or not", async () => {
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
