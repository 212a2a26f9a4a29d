import { describe, expect, it } from "vitest";
import { isRowWrite, recordOf, type WireRequest } from "../../chaos/engine/storage-wire.ts";

const ETAG = `W/"datetime'2026-11-20T13%3A07%3A25.3014389Z'"`;
const NEXT = `W/"datetime'2026-11-20T13%3A07%3A26.0000000Z'"`;
const COUNTER = `W/"datetime'2026-11-20T13%3A07%3A25.3014456Z'"`;

const lines = (...text: readonly string[]): string => text.join("\r\n");

const transaction: WireRequest = {
  method: "POST",
  url: "/devstoreaccount1/$batch",
  headers: {},
  body: lines(
    "--batch_1",
    "content-type: multipart/mixed; boundary=changeset_1",
    "",
    "--changeset_1",
    "content-type: application/http",
    "",
    "PATCH http://127.0.0.1:1/devstoreaccount1/jobs(PartitionKey='acme.b.00',RowKey='acme.b.00.j%27%271') HTTP/1.1",
    "Content-Type: application/json",
    `If-Match: ${ETAG}`,
    "",
    "",
    `{"state":"running","parameters":"{\\"text\\":\\"PUT http://x HTTP/1.1\\"}"}`,
    "--changeset_1",
    "content-type: application/http",
    "",
    "POST http://127.0.0.1:1/devstoreaccount1/jobs HTTP/1.1",
    "Content-Type: application/json",
    "",
    `{"PartitionKey":"acme.b.00","RowKey":"~w1","queued":-1,"running":1}`,
    "--changeset_1--",
    "--batch_1--",
  ),
};

const answered = (...parts: readonly string[]): string => lines("--batchresponse_1", ...parts, "--batchresponse_1--");
const landed = (etag: string): string =>
  lines("HTTP/1.1 204 No Content", "DataServiceVersion: 3.0;", `ETag: ${etag}`, "");

describe("a transaction on the wire", () => {
  it("a recorded transaction is read as writes with conditions and new versions", () => {
    const record = recordOf(
      transaction,
      { status: 202, etag: undefined, body: answered(landed(NEXT), landed(COUNTER)) },
      7,
    );
    expect(record).toMatchObject({ at: 7, status: 202, landed: true });
    expect(record.writes).toEqual([
      {
        ...{ table: "jobs", partition: "acme.b.00", row: "acme.b.00.j'1", kind: "merge", ifMatch: ETAG, etag: NEXT },
        cells: { state: "running", parameters: `{"text":"PUT http://x HTTP/1.1"}` },
      },
      {
        ...{ table: "jobs", partition: "acme.b.00", row: "~w1", kind: "insert", ifMatch: undefined, etag: COUNTER },
        cells: { PartitionKey: "acme.b.00", RowKey: "~w1", queued: -1, running: 1 },
      },
    ]);
  });

  it("a recorded transaction has not landed if one operation was refused, although its status is 202", () => {
    const body = answered(lines("HTTP/1.1 412 Precondition Failed", "Content-ID: 1", "", "{}"));
    const record = recordOf(transaction, { status: 202, etag: undefined, body }, 7);
    expect(record).toMatchObject({ status: 412, landed: false });
    expect(record.writes.map(({ etag }) => etag)).toEqual([undefined, undefined]);
  });
});

describe("a single write on the wire", () => {
  it("a recorded single write is read with the address of its row", () => {
    const request: WireRequest = {
      method: "PUT",
      url: "/devstoreaccount1/workers(PartitionKey='default',RowKey='worker-1')?timeout=5",
      headers: { "if-match": ETAG },
      body: `{"bootId":"b"}`,
    };
    const { writes, landed: isLanded } = recordOf(request, { status: 204, etag: NEXT, body: "" }, 1);
    expect(isLanded).toBe(true);
    expect(writes).toEqual([
      {
        ...{ table: "workers", partition: "default", row: "worker-1", kind: "replace", ifMatch: ETAG, etag: NEXT },
        cells: { bootId: "b" },
      },
    ]);
  });

  it("a recorded single write is distinguished from reads and from the creation of tables", () => {
    expect(isRowWrite({ method: "GET", url: "/devstoreaccount1/jobs()" })).toBe(false);
    expect(isRowWrite({ method: "POST", url: "/devstoreaccount1/Tables" })).toBe(false);
    expect(isRowWrite({ method: "POST", url: "/devstoreaccount1/batches" })).toBe(true);
  });
});
