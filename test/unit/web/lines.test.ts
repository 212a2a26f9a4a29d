import { config } from "zod";
import { afterAll, describe, expect, it } from "vitest";
import { readLines } from "../../../web/pages/submit/lines.ts";

// The pages forbid it; other tests share this process.
afterAll(() => void config({ jitless: false }));

const SCHEMA = {
  type: "object",
  properties: {
    count: { type: "integer", minimum: 1 },
    ok: { type: "boolean" },
    list: { type: "array" },
    note: { type: "string" },
  },
};
const target = { tenantName: "demo", jobType: "Count", jobProcessorPackageName: "typed.zip", schema: SCHEMA };
const JOB = { tenantName: "demo", jobType: "Count", jobName: "Count", jobProcessorPackageName: "typed.zip" };

describe("many jobs from text", () => {
  it("cells get the types of the schema, and columns of the job are no parameters", () => {
    const text = 'jobName,count,ok,list,note,tags,priority\nfirst,3,TRUE,"[1, 2]",7,a  b:1,high\n,,,,,,\n,4,,,,,\n';
    expect(readLines(text, target)).toEqual({
      format: "CSV",
      problems: [],
      jobs: [
        {
          line: 2,
          job: {
            ...{ ...JOB, jobName: "first", tags: ["a", "b:1"], priority: "high" },
            parameters: { count: 3, ok: true, list: [1, 2], note: "7" },
          },
        },
        { line: 4, job: { ...JOB, parameters: { count: 4 } } },
      ],
    });
  });

  it("each wrong line is told with its number and field, and the others are kept", () => {
    const text = "count,tags\n0,\nmany,\n1,b!d\n2,\n3,,too,many\n";
    const { jobs, problems } = readLines(text, target);
    expect(jobs.map(({ line }) => line)).toEqual([5]);
    expect(problems.map(({ line, message }) => `${line} ${message}`)).toEqual([
      "2 parameters.count must be at least 1",
      "3 parameters.count must be a whole number",
      expect.stringMatching(/^4 tags\[0\]: must be letters/),
      "6 has 4 cells, and the first line names 2",
    ]);
  });

  it("a column that is there twice and an open quotation mark are told", () => {
    expect(readLines("a,b,a\n1,2,3", target)).toMatchObject({
      jobs: [],
      problems: [{ line: 1, message: 'has the column "a" twice' }],
    });
    expect(readLines('note\n"open', { ...target, schema: undefined }).problems).toEqual([
      { line: 2, message: "has a quotation mark that is never closed" },
    ]);
  });

  it("lines of JSON are jobs: what is left out is as chosen, and another tenant is refused", () => {
    const lines = [
      '{"parameters":{"count":1}}',
      "",
      '{"jobName":"own","jobType":"Other","parameters":{"count":0}}',
      '{"tenantName":"acme"}',
      "[1]",
      '{"parameters":',
    ];
    const { format, jobs, problems } = readLines(`\ufeff${lines.join("\n")}`, target);
    expect(format).toBe("NDJSON");
    expect(jobs).toEqual([
      { line: 1, job: { ...JOB, parameters: { count: 1 } } },
      // The schema is that of the chosen type.
      { line: 3, job: { ...JOB, jobName: "own", jobType: "Other", parameters: { count: 0 } } },
    ]);
    expect(problems).toEqual([
      { line: 4, message: "tenantName: must be demo, the tenant of this page" },
      { line: 5, message: "must be a job: a JSON object" },
      { line: 6, message: expect.stringMatching(/JSON/) as string },
    ]);
  });

  it("numbers that a double does not hold stay what they are, and are refused by the schema", () => {
    expect(readLines("count\n1e3\n0x10\n", target)).toMatchObject({
      jobs: [{ job: { parameters: { count: 1_000 } } }],
      problems: [{ line: 3 }],
    });
  });
});
