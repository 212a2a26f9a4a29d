/** `jobyard watch <id>`: follows a batch or a job to its end. */
import { parseBatchId } from "../../core/ids.ts";
import { connect, type RemoteOptions } from "../command.ts";
import type { Surroundings } from "../terminal.ts";
import { watchBatch, watchJob } from "../watching.ts";

interface WatchOptions extends RemoteOptions {
  readonly timeout?: number;
}

export async function watch(given: WatchOptions, around: Surroundings, id: string): Promise<void> {
  const { timeout, ...options } = given;
  const client = await connect(options, around);
  const follow = parseBatchId(id) === undefined ? watchJob : watchBatch;
  await follow(client, id, { ...options, timeoutMs: timeout === undefined ? undefined : timeout * 1_000 }, around);
}
