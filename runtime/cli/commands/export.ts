/** `jobyard export`: the jobs of a tenant or a batch as JSON lines or CSV, to a file or to the output. */
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { link, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ConnectionOptions, LONG, connect } from "../connection.ts";
import { parseBatchId } from "../../core/job/ids.ts";
import type { ExportFormat } from "../../core/http/job-csv.ts";
import { counted, tenantOf } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { type FilterOptions, filterOf } from "../job-filter.ts";
import type { Surroundings } from "../terminal.ts";

interface ExportCommandOptions extends ConnectionOptions, FilterOptions {
  readonly tenant?: string;
  readonly batch?: string;
  readonly format: ExportFormat;
  readonly output?: string;
}

export async function exportJobs(options: ExportCommandOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const { format, batch: batchId, output } = options;
  const { delayed: _, ...filter } = filterOf(options);
  const client = await connect(options, around, LONG);
  const ofBatch = batchId === undefined ? undefined : parseBatchId(batchId)?.tenantName;
  if (batchId !== undefined && ofBatch === undefined) throw new UsageError(`${batchId} is not the id of a batch.`);
  const tenantName = await tenantOf(client, options.tenant ?? ofBatch, around);
  const lines = client.monitoring.exportLines(tenantName, { ...filter, batchId, format, signal });
  if (output === undefined) {
    for await (const line of lines) terminal.out(line);
    return;
  }
  const count = await toFile(output, lines, format, signal);
  terminal.error(`${counted(format === "csv" ? count - 1 : count, "job")} in ${output}.`);
}

/** Under its name only when it is whole. Resolves to the number of lines. */
async function toFile(
  file: string,
  lines: AsyncIterable<string>,
  format: ExportFormat,
  signal: AbortSignal,
): Promise<number> {
  const part = `${file}.${randomUUID().slice(0, 8)}.part`;
  let count = 0;
  async function* texts(): AsyncGenerator<string> {
    for await (const line of lines) {
      count++;
      yield format === "csv" ? `${line}\r\n` : `${line}\n`;
    }
  }
  try {
    // The results of a tenant are not for other users of this machine.
    await pipeline(Readable.from(texts()), createWriteStream(part, { flags: "wx", mode: 0o600 }), { signal });
    // A link, because a rename would replace a file that is there.
    await link(part, file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") {
      throw new UsageError(`${file} exists. Name another file, or delete it.`);
    }
    throw error;
  } finally {
    await rm(part, { force: true });
  }
  return count;
}
