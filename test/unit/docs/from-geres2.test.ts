import { describe, expect, it } from "vitest";
import { openApiDocument } from "../../../runtime/api/http/openapi.ts";
import { JOB_CODES, PACKAGE_CODES } from "../../../runtime/core/errors.ts";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { JOB_STATES } from "../../../runtime/core/job/states.ts";
import { CONTAINERS, TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import { batchViewSchema, jobViewSchema } from "../../../runtime/core/http/views.ts";
import { codesIn, readDocument, rowsOf, sectionOf } from "../../support/docs/document-tables.ts";
import { apiOperations } from "../../support/api-operations.ts";

const paths = openApiDocument(apiOperations).paths ?? {};

const document = await readDocument("from-geres2.md");
const rows = (heading: string) => rowsOf(sectionOf(document, heading));

/** The operation id of a route in the OpenAPI document. */
function operationAt(route: string): unknown {
  const [method = "", path = ""] = route.split(" ");
  const item = paths[path] as Readonly<Record<string, { readonly operationId?: unknown } | undefined>> | undefined;
  return item?.[method.toLowerCase()]?.operationId;
}

/** The seed's own operations: submit, submit list, cancel, create, close and cancel batch, list and page them, details. */
const OLD = [
  "POST /api/jobcontrol/jobs/{batchId?}",
  "POST /api/jobcontrol/jobs/list/{batchId?}",
  "DELETE /api/jobcontrol/jobs/{jobId}",
  "PUT /api/jobcontrol/batch",
  "DELETE /api/jobcontrol/batch/close/{id}",
  "DELETE /api/jobcontrol/batch/delete/{id}",
  "GET /api/jobmonitor/job/{id}",
  "GET /api/jobmonitor/batch/{id}",
  "GET /api/jobmonitor/batch",
];

describe("docs/from-geres2.md", () => {
  it("docs/from-geres2.md has every operation of GeRes2", () => {
    const old = rows("## Operations").flatMap(([cell = ""]) => codesIn(cell));
    expect(old).toEqual(expect.arrayContaining(OLD));
  });

  it("maps each to existing routes with their operation ids", () => {
    for (const [old, routes = "", , names = ""] of rows("## Operations")) {
      expect([old, codesIn(routes).map(operationAt)]).toEqual([old, codesIn(names)]);
    }
  });

  it("mentions only existing routes", () => {
    const routes = codesIn(document).filter((code) => /^[A-Z]+ \/v1/.test(code));
    expect(routes.length).toBeGreaterThan(10);
    expect(routes.filter((route) => operationAt(route) === undefined)).toEqual([]);
  });

  it("mentions only existing fields, states, codes and settings", async () => {
    const newNames = (heading: string): readonly string[] =>
      rows(heading).flatMap(([, cell = ""]) => codesIn(cell).filter((code) => !code.startsWith("GET ")));
    const wrong = (heading: string, known: readonly string[]): readonly string[] =>
      newNames(heading).filter((name) => !known.includes(name));
    expect(wrong("## Fields of a job", Object.keys(jobViewSchema.shape))).toEqual([]);
    const outcomes = [...JOB_STATES, ...JOB_CODES, ...PACKAGE_CODES, "WorkerLost", "progress"];
    expect(wrong("## States of a job", outcomes)).toEqual([]);
    const words = ["high", "normal", "low", "open", "closed", "canceled"];
    expect(wrong("## Batches", [...Object.keys(batchViewSchema.shape), ...words])).toEqual([]);
    const settings = newNames("## Settings").filter((name) => name.startsWith("JOBYARD_"));
    expect(settings.length).toBeGreaterThan(3);
    expect(settings.filter((name) => !Object.values<string>(SETTING).includes(name))).toEqual([]);
    const ofStack = newNames("## Settings").filter((name) => name.startsWith("worker"));
    const deploy = rowsOf(await readDocument("deploy.md")).flatMap(([cell = ""]) => codesIn(cell));
    expect(ofStack.length).toBeGreaterThan(2);
    expect(ofStack.filter((name) => !deploy.includes(name))).toEqual([]);
    const tables = [...document.matchAll(/\| table `(\w+)`/g)].map(([, name]) => name);
    expect(tables.filter((name) => name !== undefined && !name.startsWith("listof"))).toEqual([
      TABLES.jobs,
      TABLES.batches,
      TABLES.workers,
    ]);
    expect(document).toContain(`\`${CONTAINERS.packages}/`);
  });
});
