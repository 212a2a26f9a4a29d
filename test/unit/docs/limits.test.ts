import { describe, expect, it } from "vitest";
import * as limits from "../../../runtime/core/limits.ts";
import { readDocument, rowsOf, sectionOf } from "../../support/docs/document-tables.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

const count = (value: number): string => value.toLocaleString("en-US");
const seconds = (ms: number): string => `${count(ms / 1_000)} s`;
const hours = (ms: number): string => `${count(ms / 3_600_000)} hours`;
function bytes(value: number): string {
  if (value % GiB === 0) return `${value / GiB} GiB`;
  return value % MiB === 0 ? `${value / MiB} MiB` : `${value / KiB} KiB`;
}

/** By document and first cell: what the row must say. Rows of limits that are kept elsewhere are not listed. */
const SAID: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "http-api.md": {
    "headers of a request": [bytes(limits.HEADERS_MAX_BYTES)],
    "time to receive the headers; a silent connection": [seconds(limits.HEADERS_TIMEOUT_MS)],
    "time to receive the whole request": [seconds(limits.REQUEST_TIMEOUT_MS)],
    "time in which a client reads nothing of its response": [seconds(limits.ANSWER_STALLED_MS)],
    "time a client may keep its half of a closed connection open": [
      `${limits.SOCKET_LINGER_MS / 1_000} to ${seconds(2 * limits.SOCKET_LINGER_MS)}`,
    ],
    "requests of one caller in a minute": [count(limits.REQUESTS_PER_MINUTE_DEFAULT)],
    "concurrent requests of one caller": [
      count(limits.REQUESTS_AT_ONCE_MAX_COUNT),
      `Retry-After: ${limits.PLACE_RETRY_AFTER_S}`,
    ],
    "event streams and connections to the hub": [
      count(limits.FOLLOWERS_MAX_COUNT),
      `${count(limits.FOLLOWERS_PER_CALLER_DEFAULT)} for each caller`,
    ],
    "followed logs": [
      count(limits.FOLLOWED_LOGS_MAX_COUNT),
      `${count(limits.FOLLOWED_LOGS_PER_CALLER_MAX_COUNT)} for each caller`,
    ],
    exports: [count(limits.EXPORTS_MAX_COUNT), `${count(limits.EXPORTS_PER_CALLER_MAX_COUNT)} for each caller`],
    "refused tokens from one address in a minute": [count(limits.REFUSED_TOKENS_PER_MINUTE)],
    "verified tokens that an instance keeps, for 60 s each": [count(limits.TOKENS_KEPT_MAX_COUNT)],
    "connections to an instance": [count(limits.CONNECTIONS_MAX_COUNT)],
  },
  "packages.md": {
    ZIP: [bytes(limits.PACKAGE_MAX_BYTES)],
    entries: [count(limits.PACKAGE_MAX_ENTRIES)],
    "one file": [bytes(limits.PACKAGE_MAX_FILE_BYTES)],
    "all files": [bytes(limits.PACKAGE_MAX_UNPACKED_BYTES)],
    [`inflation of a file above ${bytes(limits.PACKAGE_RATIO_THRESHOLD_BYTES)}`]: [`${limits.PACKAGE_MAX_RATIO} times`],
    "`job.json`": [bytes(limits.MANIFEST_MAX_BYTES)],
  },
  "running-jobs.md": {
    "output, as JSON": [bytes(limits.OUTPUT_MAX_BYTES)],
    "artifacts of an attempt": [
      `${count(limits.ARTIFACT_MAX_COUNT)} files`,
      `${bytes(limits.ARTIFACT_MAX_BYTES)} each`,
      `${bytes(limits.ARTIFACTS_MAX_TOTAL_BYTES)} together`,
    ],
    "entries of the output folder": [count(limits.OUTPUT_ENTRIES_MAX_COUNT), seconds(limits.OUTPUT_WALK_MAX_MS)],
    "path of an artifact": [
      `${limits.ARTIFACT_PATH_MAX_LENGTH} characters`,
      `${limits.ARTIFACT_MAX_DEPTH} folders deep`,
    ],
    "log of an attempt": [bytes(limits.LOG_MAX_BYTES)],
    "text of a progress report": [count(limits.PROGRESS_TEXT_MAX_LENGTH)],
    "message of a failure": [count(limits.FAILURE_MESSAGE_MAX_LENGTH)],
    time: [hours(limits.TIMEOUT_DEFAULT_MS)],
    memory: [`${100 * limits.MEMORY_DEFAULT_SHARE} % of the machine`],
    "grace period": [seconds(limits.GRACE_DEFAULT_MS)],
  },
};

describe.each(Object.entries(SAID))("the limits in docs/%s", (document, said) => {
  it.each(Object.entries(said))("the row of %s agrees with runtime/core/limits.ts", async (what, values) => {
    const rows = rowsOf(sectionOf(await readDocument(document), "## Limits"));
    const row = rows.find(([first]) => first === what)?.join(" | ");
    for (const value of values) expect(row).toContain(value);
  });
});
