/**
 * Every operation, for callers with every role and every grant: what they may do works, what they may not is answered
 * as if there were nothing. Tokens are real, signed by an issuer and judged by the API's own code.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { APP_ROLES, type Access, type AppRole, type TenantAccess } from "../../../runtime/core/http/access.ts";
import { breadth } from "../../support/breadth.ts";
import { MATRIX, WORKER, type Attempt } from "../../support/api/tenancy-matrix.ts";
import { startTenancyLab, type Grants, type TestCaller } from "../../support/api/tenancy-lab.ts";
import { emptyPlace, type Place } from "../../support/api/tenant-place.ts";
import type { WireAnswer, WireRequest } from "../../support/api/wire.ts";

const lab = await startTenancyLab();
const { api } = lab;
const { a: A, b: B, nobody: NOBODY } = lab.names;

beforeAll(async () => {
  const worker = { ...WORKER, bootId: "boot", startedAt: new Date(), heartbeatAt: new Date(), version: "1" };
  const idle = { state: "running", slots: 1, claims: [], cancel: [], drain: false } as const;
  await lab.open.workers.beat({ ...worker, ...idle }, undefined);
});
afterAll(() => lab[Symbol.asyncDispose]());

// --- What is expected --------------------------------------------------------------------------------------------------

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
  const known = standing.get(name) ?? prepare(attempt, lab.place(tenantName));
  if (attempt.consumes === true) standing.delete(name);
  else standing.set(name, known);
  return known;
}

async function ask(caller: Pick<TestCaller, "headers"> | undefined, { request }: Prepared): Promise<WireAnswer> {
  const answer = await lab.wire.send({ ...request, headers: { ...request.headers, ...caller?.headers } });
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

/** How each attempt was refused first: every other refusal must look the same, but for the role that a caller has. */
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

const everyCase = [undefined, ...APP_ROLES].flatMap((role) =>
  GRANTS.map(([what, grants]) => ({ who: `${role ?? "no role"}, ${what}`, role, grants })),
);

/** Every role with the widest mix of grants: it has all verdicts. */
const cases = breadth(
  everyCase.filter(({ grants }) => Object.keys(grants).length > 1),
  everyCase,
);

/** What is wrong with how the caller is answered about a tenant. */
async function problemsOf(key: string, attempt: Attempt, caller: TestCaller, tenantName: string): Promise<string[]> {
  const problems: string[] = [];
  const tell = (what: string, answer: WireAnswer): unknown =>
    problems.push(`${key}, ${tenantName === A ? "A" : "B"}, ${what}: ${answer.status} ${answer.text.slice(0, 300)}`);

  async function expectRefused(what: string, prepared: Prepared, kind: "forbidden" | "hidden"): Promise<void> {
    const answer = await ask(caller, prepared);
    const isRight = kind === "forbidden" ? answer.status === 403 : isRefused(attempt, answer);
    if (!isRight) tell(`${what} is not ${kind}`, answer);
    const face = faceOf(answer, prepared.place);
    const alike = kind === "forbidden" ? `${key} for ${caller.role}` : key;
    const first = refusals.get(alike) ?? face;
    refusals.set(alike, first);
    if (face !== first) tell(`${what} can be told apart from\n${first}\nbeing\n${face}\nfor`, answer);
  }

  const verdict = verdictFor(caller, attempt.needs, tenantName);
  const real = await prepareReal(key, attempt, tenantName);
  if (verdict === "served") {
    const answer = await ask(caller, real);
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
    const caller = await lab.callerWith(role, grants);
    const problems = await Promise.all(
      attempts.map(async ({ key, attempt }) => [
        ...(await problemsOf(key, attempt, caller, A)),
        ...(await problemsOf(key, attempt, caller, B)),
      ]),
    );
    expect(problems.flat().join("\n")).toBe("");
  });

  it("every request without a token is refused, in the same way for existing and unknown resources", async () => {
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
