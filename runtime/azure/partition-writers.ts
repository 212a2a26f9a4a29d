/** The writers of the partitions a process writes to; the least recently used idle ones are forgotten. */
import type { TableAccess } from "./connect.ts";
import { createPartitionWriter, type PartitionWriter } from "./partition-writer.ts";

export interface PartitionWriters {
  of(partition: string): PartitionWriter;
}

/** A few hundred bytes each. A forgotten one costs a refused transaction and a read at its next use. */
const KEPT_WRITERS = 5_000;

export function createPartitionWriters(table: TableAccess, writerId: string, kept = KEPT_WRITERS): PartitionWriters {
  /** Least recently used first. */
  const writers = new Map<string, PartitionWriter>();

  function forgetIdle(): void {
    for (const [partition, writer] of writers) {
      if (writers.size <= kept) return;
      // A busy one stays: two writers at once would refuse each other's counter.
      if (writer.idle) writers.delete(partition);
    }
  }

  return {
    of(partition) {
      const writer = writers.get(partition) ?? createPartitionWriter(table, partition, writerId);
      writers.delete(partition);
      writers.set(partition, writer);
      forgetIdle();
      return writer;
    },
  };
}
