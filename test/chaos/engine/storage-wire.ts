/**
 * Writes to table storage as they cross the wire: the requests and answers of the Table service, read as rows written on
 * a condition, with what became of them. https://learn.microsoft.com/rest/api/storageservices/table-service-rest-api
 */

export type WriteKind = "insert" | "merge" | "replace" | "delete";

export interface RowWrite {
  readonly table: string;
  readonly partition: string;
  readonly row: string;
  readonly kind: WriteKind;
  /** The ETag the row must still have; undefined: no condition, which only an insert may do without. */
  readonly ifMatch: string | undefined;
  readonly cells: Readonly<Record<string, unknown>>;
  /** The row's ETag after a write that landed; absent after others and after a delete. */
  readonly etag?: string | undefined;
}

/** One request: a single write, or a transaction, which lands as a whole or not at all. */
export interface WireRecord {
  /** When storage had answered, in ms since the epoch. */
  readonly at: number;
  readonly status: number;
  readonly landed: boolean;
  readonly writes: readonly RowWrite[];
}

export interface WireRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

export interface WireAnswer {
  readonly status: number;
  readonly etag: string | undefined;
  readonly body: string;
}

const KINDS: Readonly<Record<string, WriteKind>> = {
  POST: "insert",
  PATCH: "merge",
  MERGE: "merge",
  PUT: "replace",
  DELETE: "delete",
};

/** Requests that write rows; creating a table is none. */
export const isRowWrite = ({ method, url }: Pick<WireRequest, "method" | "url">): boolean =>
  KINDS[method] !== undefined && !/\/Tables(\(|\?|$)/.test(url);

export function recordOf(request: WireRequest, answer: WireAnswer, at: number): WireRecord {
  const isTransaction = /\/\$batch(\?|$)/.test(request.url);
  const writes = isTransaction ? operationsOf(request.body) : [singleWrite(request)];
  const { landed, status, etags } = isTransaction ? outcomeOfTransaction(answer) : outcomeOfWrite(answer);
  return {
    at,
    status,
    landed,
    writes: writes.map((write, index) => (landed ? { ...write, etag: etags[index] } : write)),
  };
}

interface Outcome {
  readonly landed: boolean;
  readonly status: number;
  readonly etags: readonly (string | undefined)[];
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;

const outcomeOfWrite = ({ status, etag }: WireAnswer): Outcome => ({
  landed: isSuccess(status),
  status,
  etags: [etag],
});

/** The answer to a transaction is 202 in any case; it names every operation, or the one that failed. */
function outcomeOfTransaction({ status, body }: WireAnswer): Outcome {
  if (!isSuccess(status)) return { landed: false, status, etags: [] };
  const parts = body.split(/^HTTP\/1\.1 /m).slice(1);
  const statuses = parts.map((part) => Number.parseInt(part, 10));
  const failed = statuses.find((partStatus) => !isSuccess(partStatus));
  if (failed !== undefined || parts.length === 0) return { landed: false, status: failed ?? status, etags: [] };
  return { landed: true, status, etags: parts.map((part) => /^ETag: (.*?)\r?$/im.exec(part)?.[1]) };
}

/** `table(PartitionKey='…',RowKey='…')`, quotes in keys doubled. */
const ADDRESS = /\/(\w+)\(PartitionKey='((?:[^']|'')*)',\s*RowKey='((?:[^']|'')*)'\)/;

interface Part {
  readonly method: string;
  readonly url: string;
  readonly ifMatch: string | undefined;
  readonly body: string;
}

function writeOf({ method, url, ifMatch, body }: Part): RowWrite {
  const cells = body.trim() === "" ? {} : (JSON.parse(body) as Record<string, unknown>);
  const [, table, partition, row] = ADDRESS.exec(decodeURIComponent(url)) ?? [];
  const kind = KINDS[method];
  if (kind === undefined) throw new Error(`${method} ${url} is no write of a row.`);
  return {
    table: table ?? /\/(\w+)(?:\(\))?(?:\?|$)/.exec(url)?.[1] ?? "",
    partition: unquoted(partition) ?? String(cells["PartitionKey"]),
    row: unquoted(row) ?? String(cells["RowKey"]),
    kind,
    ifMatch,
    cells,
  };
}

const unquoted = (key: string | undefined): string | undefined => key?.replaceAll("''", "'");

function singleWrite({ method, url, headers, body }: WireRequest): RowWrite {
  const ifMatch = headers["if-match"];
  return writeOf({ method, url, ifMatch: typeof ifMatch === "string" ? ifMatch : undefined, body });
}

/** The operations of a transaction, in their order: each begins with its request line. */
function operationsOf(body: string): RowWrite[] {
  const requestLine = /^(POST|PATCH|MERGE|PUT|DELETE) (\S+) HTTP\/1\.1\r?$/gm;
  const starts = [...body.matchAll(requestLine)];
  return starts.map((start, index) => {
    const end = starts[index + 1]?.index ?? body.length;
    const text = body.slice(start.index + start[0].length, end);
    const json = /^\{.*\}\r?$/m.exec(text)?.[0] ?? "";
    return writeOf({
      method: start[1] ?? "",
      url: start[2] ?? "",
      ifMatch: /^if-match: (.*?)\r?$/im.exec(text)?.[1],
      body: json,
    });
  });
}
