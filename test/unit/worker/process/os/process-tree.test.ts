import { describe, expect, it } from "vitest";
import type { ProcessEntry } from "../../../../../runtime/worker/process/os/proc-table.ts";
import { membersOf } from "../../../../../runtime/worker/process/os/process-tree.ts";

describe("the members of a process tree", () => {
  const entry = (pid: number, fields: Partial<ProcessEntry> = {}): ProcessEntry => ({
    ...{ pid, parent: 1, group: pid, session: pid, startedAt: 100, dead: false, residentBytes: 1_000 },
    ...fields,
  });
  const find = (processes: ProcessEntry[], marks: Record<number, string> = {}): number[] =>
    membersOf({ leader: 10, startedAt: 100, mark: "m" }, { processes, startVariable: (pid) => marks[pid] }).map(
      ({ pid }) => pid,
    );

  it("members of a tree are group, session, marks and their living descendants", () => {
    const processes = [
      entry(1),
      entry(10),
      entry(11, { group: 10, session: 10 }),
      entry(12, { session: 10 }),
      entry(13, { parent: 12 }),
      entry(14),
      entry(15, { parent: 14 }),
      entry(16, { group: 10, dead: true }),
      entry(17),
    ];
    expect(find(processes, { 14: "m", 17: "other" })).toEqual([10, 11, 12, 14, 13, 15]);
  });

  it("a stranger with the same number is no member of a tree", () => {
    const processes = [entry(10, { startedAt: 500 }), entry(11, { group: 10, startedAt: 500 }), entry(12)];
    expect(find(processes, { 12: "m" })).toEqual([12]);
  });

  it("older processes are no members of a tree", () => {
    expect(find([entry(9, { group: 10, startedAt: 5 })])).toEqual([]);
  });
});
