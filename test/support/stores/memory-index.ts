/** A JobIndex in memory. */
import {
  allKeysOf,
  boundsOf,
  entriesOf,
  entryOf,
  indexKeys,
  isTagged,
  leftByMove,
  partitionOfPlace,
  storedEntryOf,
} from "../../../runtime/azure/tables/job-index.ts";
import type { JobIndex } from "../../../runtime/core/ports/job-index.ts";
import { MemoryTable } from "./memory-table.ts";

export function createMemoryIndex(table = new MemoryTable()): JobIndex {
  return {
    async write(moves) {
      await table.turn();
      for (const { keys, cells } of moves.flatMap(entriesOf)) table.put(keys, cells);
      await Promise.all(moves.flatMap(leftByMove).map((keys) => table.remove(keys)));
    },
    async read(place, range) {
      const { above: after, below: before } = boundsOf(place, range);
      const { jobType, batchId, tag, startsAfter, limit } = range;
      const rows = await table.rows({ partitionKey: partitionOfPlace(place), after, before });
      const found = rows.filter(({ cells }) => {
        const stored = storedEntryOf(cells);
        if (jobType !== undefined && stored.jobType !== jobType) return false;
        if (batchId !== undefined && stored.batchId !== batchId) return false;
        if (tag !== undefined && !isTagged(cells, tag)) return false;
        return startsAfter === undefined || (stored.runAt !== undefined && stored.runAt > startsAfter);
      });
      return found.slice(0, limit).map(({ rowKey, cells }) => entryOf(rowKey, storedEntryOf(cells)));
    },
    async remove(jobs) {
      await Promise.all(jobs.flatMap(({ jobId, tags }) => allKeysOf(jobId, tags)).map((keys) => table.remove(keys)));
    },
    async removeFrom(place, jobIds) {
      await Promise.all(jobIds.map((jobId) => table.remove(indexKeys(place, jobId))));
    },
  };
}
