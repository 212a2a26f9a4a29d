import { describe, expect, it } from "vitest";
import { createBuilder } from "../../../../runtime/cli/dev/builder.ts";
import type { DevEvent } from "../../../../runtime/cli/dev/dev-event.ts";
import type { PackResult } from "../../../../runtime/package/build/pack.ts";
import { PackError } from "../../../../runtime/package/build/problem.ts";

const packed = (sha256: string, name = "greet"): PackResult => ({
  manifest: {
    manifestVersion: 1,
    name,
    platform: "any",
    jobs: [{ jobType: "Greet", entry: { kind: "module", file: "a.mjs" } }],
  },
  zip: new Uint8Array(),
  sha256,
  fileCount: 1,
  warnings: [],
});

/** `pack` answers what the test lets it; a text is the version, and an error a failure. */
function lab() {
  const told: DevEvent[] = [];
  const published: string[] = [];
  const packing: ((answer: string | Error) => void)[] = [];
  let fails: Error | undefined;
  const closing = new AbortController();
  const builder = createBuilder({
    directory: "/work/greet",
    pack: () =>
      new Promise((resolve, reject) => {
        packing.push((answer) => (typeof answer === "string" ? resolve(packed(answer)) : reject(answer)));
      }),
    publish(packageName) {
      published.push(packageName);
      return fails === undefined ? Promise.resolve() : Promise.reject(fails);
    },
    tell: (event) => told.push(event),
    signal: closing.signal,
    now: () => 1_000,
  });
  return {
    builder,
    told,
    published,
    closing,
    failPublish: (error: Error | undefined) => (fails = error),
    /** Answers the pack that waits. */
    answer: (version: string | Error): void => {
      const give = packing.shift();
      if (give === undefined) throw new Error("Nothing is being packed.");
      give(version);
    },
    get packingCount() {
      return packing.length;
    },
  };
}

const broken = new PackError([{ message: "Expected ;", position: { file: "src/a.ts", line: 2, column: 3 } }]);
const typesOf = (told: readonly DevEvent[]): readonly string[] => told.map(({ eventType }) => eventType);

describe("a builder", () => {
  it("publishes a package and tells how long each part took", async () => {
    const { builder, told, published, answer } = lab();
    const building = builder.build(900);
    answer("v1");
    await building;
    expect(published).toEqual(["greet.zip"]);
    expect(told).toEqual([
      {
        eventType: "packagePublished",
        packageName: "greet.zip",
        sha256: "v1",
        jobTypes: ["Greet"],
        warnings: [],
        watchMs: 100,
        packMs: 0,
        publishMs: 0,
      },
    ]);
  });

  it("does not publish the same content again", async () => {
    const { builder, told, published, answer } = lab();
    for (const version of ["v1", "v1"]) {
      const building = builder.build();
      answer(version);
      await building;
    }
    expect(published).toEqual(["greet.zip"]);
    expect(typesOf(told)).toEqual(["packagePublished", "packageUnchanged"]);
  });

  it("takes up changes while it packs, once, and does not publish what is out of date", async () => {
    const { builder, told, published, answer } = lab();
    const building = builder.build();
    const later = [builder.build(), builder.build()];
    answer("v1");
    await Promise.resolve();
    await expect.poll(() => typesOf(told)).toEqual([]);
    answer("v2");
    await Promise.all([building, ...later]);
    expect(published).toEqual(["greet.zip"]);
    expect(builder.published?.sha256).toBe("v2");
  });

  it("keeps the last good version when a build fails, and tells file, line and column", async () => {
    const { builder, told, answer } = lab();
    const first = builder.build();
    answer("v1");
    await first;
    const second = builder.build();
    answer(broken);
    await second;
    expect(builder.published?.sha256).toBe("v1");
    expect(told.at(-1)).toEqual({
      eventType: "packageFailed",
      folder: "/work/greet",
      problems: [{ message: "Expected ;", place: { file: "/work/greet/src/a.ts", line: 2, column: 3 } }],
      sha256: "v1",
    });
  });

  it("tells that a package works again, also if its content is the one before", async () => {
    const { builder, told, answer } = lab();
    for (const version of ["v1", broken, "v1"]) {
      const building = builder.build();
      answer(version);
      await building;
    }
    expect(typesOf(told)).toEqual(["packagePublished", "packageFailed", "packagePublished"]);
  });

  it("says nothing of an error that is out of date", async () => {
    const { builder, told, answer } = lab();
    const building = builder.build();
    void builder.build();
    answer(broken);
    await expect.poll(() => typesOf(told)).toEqual([]);
    answer("v2");
    await building;
    expect(typesOf(told)).toEqual(["packagePublished"]);
  });

  it("tells why the service refused a version, and publishes it with the next save", async () => {
    const { builder, told, answer, failPublish } = lab();
    failPublish(new Error("too many timers"));
    const first = builder.build();
    answer("v1");
    await first;
    expect(told).toEqual([
      {
        eventType: "packageFailed",
        folder: "/work/greet",
        problems: [{ message: "too many timers" }],
        sha256: undefined,
      },
    ]);
    failPublish(undefined);
    const second = builder.build();
    answer("v1");
    await second;
    expect(typesOf(told)).toEqual(["packageFailed", "packagePublished"]);
  });

  it("publishes and tells nothing after its end", async () => {
    const { builder, told, published, answer, closing } = lab();
    const building = builder.build();
    closing.abort();
    answer("v1");
    await building;
    expect([told, published]).toEqual([[], []]);
  });
});
