import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ScheduleError } from "../../../runtime/core/errors.ts";
import { parseSchedule } from "../../../runtime/core/schedule/schedule.ts";
import { scheduleWarnings } from "../../../runtime/core/schedule/schedule-warnings.ts";
import { packPackage } from "../../../runtime/package/build/pack.ts";
import { codesIn, readDocument, sectionOf } from "../../support/docs/document-tables.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const document = await readDocument("timers.md");

/** First cells of the table that begins with a heading. */
function schedulesOf(heading: string): readonly string[] {
  const lines = sectionOf(document, "## Schedules").split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} `));
  const rest = lines.slice(start + 2);
  return rest.slice(0, rest.indexOf("")).map((line) => codesIn(line)[0] ?? "");
}

/** Source files in a text, by the path their first line names. */
const sourcesIn = (text: string): ReadonlyMap<string, string> =>
  new Map([...text.matchAll(/```ts\n\/\/ (\S+)\n([^]*?)```/g)].map(([, file = "", source = ""]) => [file, source]));

async function packed(files: ReadonlyMap<string, string>) {
  await using place = await temporaryDirectory();
  for (const [file, text] of new Map([...files, ["package.json", '{ "name": "sample" }']])) {
    await mkdir(dirname(join(place.path, file)), { recursive: true });
    await writeFile(join(place.path, file), text);
  }
  const { manifest, warnings } = await packPackage({ directory: place.path, target: { os: "linux", arch: "x64" } });
  return { timers: manifest.timers?.map(({ timerName }) => timerName), warnings };
}

describe("docs/timers.md", () => {
  it("docs/timers.md has valid schedules without a warning", () => {
    const schedules = schedulesOf("text");
    expect(schedules.length).toBeGreaterThan(8);
    for (const cron of schedules) {
      expect([cron, parseSchedule({ cron }).next(new Date())]).toEqual([cron, expect.any(Date)]);
      expect(scheduleWarnings({ cron })).toEqual([]);
    }
    expect(parseSchedule({ cron: "*/10 * * * *" }).next(new Date("2030-01-31T08:00:00Z"))).toEqual(
      parseSchedule({ cron: "0 */10 * * * *" }).next(new Date("2030-01-31T08:00:00Z")),
    );
  });

  it("docs/timers.md has refused schedules, and some with a warning", () => {
    expect(schedulesOf("refused")).toHaveLength(9);
    for (const cron of schedulesOf("refused")) expect(() => parseSchedule({ cron }), cron).toThrow(ScheduleError);
    expect(schedulesOf("warned of")).toHaveLength(7);
    for (const cron of schedulesOf("warned of")) expect([cron, scheduleWarnings({ cron }).length]).toEqual([cron, 1]);
  });

  it("docs/timers.md declares timers that pack finds", async () => {
    expect(await packed(sourcesIn(document))).toEqual({
      timers: ["nightly-report", "sweepUploads", "syncOrders"],
      warnings: [],
    });
  });
});

describe("docs/from-webjobs.md", () => {
  it("docs/from-webjobs.md declares timers that pack finds", async () => {
    expect(await packed(sourcesIn(await readDocument("from-webjobs.md")))).toEqual({
      timers: ["nightlyReport", "syncOrders"],
      warnings: [],
    });
  });
});
