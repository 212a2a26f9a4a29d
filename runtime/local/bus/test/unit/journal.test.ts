import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BrokerRecord } from "../../engine/records.ts";
import { openDataDirectory } from "../../journal/data-directory.ts";
import { JournalError } from "../../journal/files.ts";
import { decodeFrame, encodeFrame } from "../../journal/frame.ts";
import { Journal } from "../../journal/journal.ts";
import { recover } from "../../journal/recovery.ts";

const record = (seq: number, body = `body ${seq}`): BrokerRecord => ({
  ...{ type: "added", queue: "q", seq, messageId: String(seq), enqueuedAt: 1, status: "active" },
  body: Buffer.from(body),
});

describe("the journal", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "journal-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  const open = (snapshot: () => BrokerRecord[] = () => [], compactAtBytes?: number) => {
    const restored: BrokerRecord[] = [];
    const failures: Error[] = [];
    const recovered = recover(directory, (each) => restored.push(each));
    const journal = new Journal({
      ...{ directory, recovered, snapshot, onFailure: (error) => failures.push(error) },
      ...(compactAtBytes !== undefined && { compactAtBytes }),
    });
    return { journal, restored, failures };
  };
  const durable = (journal: Journal) => new Promise<void>((resolve) => journal.whenDurable(resolve));
  const write = async (...seqs: number[]) => {
    const { journal } = open();
    for (const seq of seqs) journal.append([record(seq)]);
    await durable(journal);
    await journal.close();
  };
  const seqsOf = (records: readonly BrokerRecord[]) => records.map((each) => ("seq" in each ? each.seq : undefined));

  test("restores durable records in order, over several openings", async () => {
    await write(1, 2);
    await write(3);
    const { journal, restored } = open();
    expect(restored).toEqual([record(1), record(2), record(3)]);
    await journal.close();
  });

  test("calls back in order, only once everything appended before is in the file", async () => {
    const { journal } = open();
    const log = join(directory, "000001.log");
    const order: string[] = [];
    const before = statSync(log).size;
    await new Promise<void>((resolve) => {
      journal.append([record(1)]);
      journal.whenDurable(() => {
        order.push("first");
        expect(statSync(log).size).toBeGreaterThan(before);
        journal.append([record(2)]);
        journal.whenDurable(() => {
          order.push("nested");
          resolve();
        });
      });
      journal.whenDurable(() => order.push("second"));
    });
    expect(order).toEqual(["first", "second", "nested"]);
    await journal.close();
  });

  test("drops a frame that a crash cut off at any byte, and continues after the frames before it", async () => {
    await write(1, 2);
    const path = join(directory, "000001.log");
    const whole = readFileSync(path);
    const frames = encodeFrame([record(2)]).length;
    for (let cut = 1; cut < frames; cut += 7) {
      writeFileSync(path, whole);
      truncateSync(path, whole.length - cut);
      const { journal, restored } = open();
      expect(seqsOf(restored)).toEqual([1]);
      journal.append([record(9)]);
      await durable(journal);
      await journal.close();
      const again = open();
      expect(seqsOf(again.restored)).toEqual([1, 9]);
      await again.journal.close();
    }
  });

  test("drops a damaged frame at the end, whatever was written over it", async () => {
    await write(1);
    appendFileSync(join(directory, "000001.log"), Buffer.alloc(50, 0xff));
    const { journal, restored } = open();
    expect(seqsOf(restored)).toEqual([1]);
    await journal.close();
  });

  test("starts again in a file whose first line a crash cut off", async () => {
    writeFileSync(join(directory, "000001.log"), '{"form');
    await write(1);
    const { journal, restored } = open();
    expect(seqsOf(restored)).toEqual([1]);
    await journal.close();
  });

  test("reads a log of the version before, and continues in a new log of the current version", async () => {
    await write(1);
    const path = join(directory, "000001.log");
    const content = readFileSync(path, "latin1").replace('"version":2', '"version":1');
    writeFileSync(path, content, "latin1");
    await write(2);
    expect(readFileSync(path, "latin1")).toBe(content);
    expect(readFileSync(join(directory, "000002.log"), "latin1")).toMatch(
      /^\{"format":"jobyard-bus-journal","version":2\}/,
    );
    const { journal, restored } = open();
    expect(seqsOf(restored)).toEqual([1, 2]);
    await journal.close();
  });

  test("refuses another version, a foreign file, a missing log and damage in the middle, each with a reason", async () => {
    const path = join(directory, "000001.log");
    writeFileSync(path, '{"format":"jobyard-bus-journal","version":7}\n');
    expect(() => open()).toThrow(/journal version 7.*reads only version 1 or 2/);
    writeFileSync(path, "something else\n");
    expect(() => open()).toThrow(/is not a journal/);
    rmSync(path);
    await write(1);
    const whole = readFileSync(path);
    writeFileSync(join(directory, "000003.log"), whole);
    expect(() => open()).toThrow(/lacks its log number 2/);
    writeFileSync(join(directory, "000002.log"), whole.subarray(0, whole.length - 3));
    expect(() => open()).toThrow(/is damaged at byte/);
  });

  test("replaces logs by a snapshot when they have grown, and recovers from snapshot and later logs", async () => {
    const live = record(100, "live");
    let last = 0;
    // The state as it is at that moment, which may be the last.
    const { journal } = open(() => [live, record(last)], 2_000);
    for (let seq = 1; seq <= 200; seq++) {
      last = seq;
      journal.append([record(seq)]);
      if (seq % 10 === 0) await durable(journal);
    }
    await journal.close();
    const files = readdirSync(directory).sort();
    expect(files).toHaveLength(2);
    expect(files[1]).toMatch(/\.snapshot$/);
    const { journal: next, restored } = open();
    expect(restored[0]).toEqual(live);
    expect(seqsOf(restored).at(-1)).toBe(200);
    expect(restored.length).toBeLessThan(150);
    await next.close();
  });

  test("has a directory that one owner uses at a time", async () => {
    const owner = await openDataDirectory(directory);
    await expect(openDataDirectory(directory)).rejects.toThrow(JournalError);
    await expect(openDataDirectory(directory)).rejects.toThrow(/is in use/);
    owner.release();
    (await openDataDirectory(directory)).release();
  });

  test("has a directory that its caller can claim in another way", async () => {
    const released: string[] = [];
    const claim = (path: string) => ({ release: () => void released.push(path) });
    (await openDataDirectory(join(directory, "new"), claim)).release();
    expect(released).toEqual([join(directory, "new")]);
    expect(statSync(join(directory, "new")).mode & 0o777).toBe(0o700);
  });

  test("ignores a snapshot that was not finished", async () => {
    await write(1, 2);
    writeFileSync(join(directory, "000002.snapshot.tmp"), "half");
    const { journal, restored } = open();
    expect(seqsOf(restored)).toEqual([1, 2]);
    await journal.close();
  });

  test("decodes what it encoded, and refuses changed bytes", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(
        fc.array(bytes, { minLength: 1, maxLength: 5 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (bodies, at, flip) => {
          const records = bodies.map(
            (body, index): BrokerRecord => ({ ...record(index), body: Buffer.from(body) }) as BrokerRecord,
          );
          const frame = encodeFrame(records);
          expect(decodeFrame(frame, 0)).toEqual({ records, end: frame.length });
          const damaged = Buffer.from(frame);
          damaged[at % frame.length]! ^= flip;
          expect(decodeFrame(damaged, 0)).toBeUndefined();
        },
      ),
    );
  });
});
