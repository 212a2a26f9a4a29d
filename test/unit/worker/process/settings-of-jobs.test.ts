/** Settings and secrets on their way to a job, and what is left of them where it prints. */
import { readFile, stat } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CommandEntry } from "../../../../runtime/core/package/manifest.ts";
import type { GivenSettings } from "../../../../runtime/worker/settings/job-settings.ts";
import { type Lab, createLab, jobSource, sharedPackage } from "./lab.ts";

let lab: Lab;
beforeEach(async () => {
  lab = await createLab();
});
afterEach(() => lab.close());

const SECRET = "s3cr3t&Ü key";
const settings: GivenSettings = {
  values: { API_KEY: SECRET, SMTP_HOST: "localhost" },
  secrets: [SECRET],
  versions: { API_KEY: 4, SMTP_HOST: 1 },
};
const outputIn = (result: object): unknown => JSON.parse((result as { output: string }).output);

describe("settings of a job", () => {
  it("are in its context, frozen, and in its setup", async () => {
    const before = `export const setup = ({ settings }) => settings.SMTP_HOST;`;
    const body = `
      try { context.settings.API_KEY = "mine"; } catch {}
      return { output: [context.settings, services] };`;
    const result = await (await lab.start({ "index.mjs": jobSource(body, before) }, { settings })).result;
    expect(outputIn(result)).toEqual([settings.values, "localhost"]);
  });

  it("are no settings at all where its package declares none", async () => {
    expect(outputIn(await (await lab.start("return { output: context.settings };")).result)).toEqual({});
  });

  it("are each job's own in a shared process", async () => {
    const shared = sharedPackage({ read: "return { output: context.settings };" });
    const read = async (values: GivenSettings["values"]) =>
      outputIn(await (await lab.share(shared, "read", { settings: { ...settings, values } })).result);
    expect(await read({ API_KEY: "first" })).toEqual({ API_KEY: "first" });
    expect(await read({ API_KEY: "second" })).toEqual({ API_KEY: "second" });
  });

  it("are in a command's own file, which only its user can read", async () => {
    const entry: CommandEntry = { kind: "command", command: "sh", args: ["./run.sh", "{settingsFile}"] };
    const text = 'cp "$JOBYARD_SETTINGS_FILE" "$JOBYARD_RESULT_FILE"; cp "$1" "$JOBYARD_OUTPUT_PATH/copy"; env';
    const attempt = await lab.start(
      { "run.sh": text },
      { entry: { ...entry, args: ["{packagePath}/run.sh", "{settingsFile}"] }, settings },
    );
    expect(outputIn(await attempt.result)).toEqual(settings.values);
    const { settingsFile, outputPath } = attempt.spec.workspace;
    expect(JSON.parse(await readFile(`${outputPath}/copy`, "utf8"))).toEqual(settings.values);
    expect((await stat(settingsFile)).mode & 0o777).toBe(0o600);
    expect(attempt.log()).not.toContain("localhost");
    expect(attempt.log()).not.toContain("[redacted]");
  });

  it("are in neither environment, arguments nor parameters", { tags: "attack/jobs" }, async () => {
    const body = `
      const seen = [process.env, process.argv, process.execArgv, job,
        fs.readFileSync("/proc/self/environ", "utf8"), fs.readFileSync("/proc/self/cmdline", "utf8")];
      return { output: JSON.stringify(seen).includes("s3cr3t") };`;
    expect(outputIn(await (await lab.start(body, { settings })).result)).toBe(false);
  });

  it("are named in the log with their versions, which is all that the log says of them", async () => {
    const attempt = await lab.start("", { settings });
    await attempt.result;
    expect(attempt.log()).toMatch(/ sys Settings: API_KEY version 4, SMTP_HOST version 1\.\n/);
  });
});

describe("a secret that a job prints", () => {
  const FORMS = `
    const key = context.settings.API_KEY;
    const forms = [key, JSON.stringify({ key }), encodeURIComponent(key), Buffer.from(key).toString("base64"),
      Buffer.from(key).toString("base64url")];`;

  it("is taken out of its log, however it prints it", async () => {
    const body = `${FORMS}
      for (const form of forms) { console.log("o:" + form); console.error("e:" + form); log("l:", form); }
      process.stdout.write("split " + key.slice(0, 5));
      await delay(30);
      process.stdout.write(key.slice(5) + " end\\n");`;
    const attempt = await lab.start(body, { settings });
    expect(await attempt.result).toMatchObject({ kind: "succeeded" });
    const log = attempt.log();
    for (const part of ["s3cr3t", Buffer.from(SECRET).toString("base64").slice(0, 8)]) expect(log).not.toContain(part);
    expect(log.match(/\[redacted\]/g)).toHaveLength(16);
    expect(log).toContain("split [redacted] end");
  });

  it("is taken out of the log of a shared process", async () => {
    const shared = sharedPackage({ print: "console.log(context.settings.API_KEY); log(context.settings.API_KEY);" });
    const attempt = await lab.share(shared, "print", { settings });
    await attempt.result;
    expect(attempt.log()).not.toContain("s3cr3t");
    expect(attempt.log().match(/\[redacted\]/g)).toHaveLength(2);
  });

  it("is taken out of the log and the failure of a command", async () => {
    const entry: CommandEntry = { kind: "command", command: "sh", args: ["{packagePath}/run.sh"] };
    const text = 'cat "$JOBYARD_SETTINGS_FILE"; echo; cat "$JOBYARD_SETTINGS_FILE" >&2; exit 3';
    const attempt = await lab.start({ "run.sh": text }, { entry, settings });
    expect(await attempt.result).toMatchObject({ message: expect.stringContaining("[redacted]") as string });
    expect(`${JSON.stringify(await attempt.result)}${attempt.log()}`).not.toContain("s3cr3t");
  });

  it("is taken out of its failure and its progress, also where they were cut", async () => {
    const body = `
      const key = context.settings.API_KEY;
      progress(0.5, "with " + key);
      await delay(150);
      progress(0.6, "x".repeat(494) + key);
      throw new Error("x".repeat(1_994) + key);`;
    const attempt = await lab.start(body, { settings });
    const { message } = (await attempt.result) as { message: string };
    expect(message).toContain("xxx[redacted]");
    const told = JSON.stringify([message, attempt.progress, attempt.log()]);
    expect(told.includes("s3cr")).toBe(false);
    expect(attempt.progress[0]).toEqual({ fraction: 0.5, text: "with [redacted]" });
  });

  it("stays in its output, which is the job's answer", async () => {
    const result = await (await lab.start("return { output: context.settings.API_KEY };", { settings })).result;
    expect(outputIn(result)).toBe(SECRET);
  });
});
