/** The web application in docs/samples, run as a reader runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";

const SAMPLE = join(import.meta.dirname, "../../../docs/samples/web-request.ts");

interface Shown {
  readonly fraction?: number;
  readonly text: string;
  readonly isOver: boolean;
}

describe("the sample of a web application", () => {
  const TENANT = freshTenant();
  let system: TestSystem;
  let directory: TemporaryDirectory;
  let child: ChildProcess;
  let url: string;
  beforeAll(async () => {
    [system, directory] = await Promise.all([startTestSystem(), temporaryDirectory()]);
    const gate = JSON.stringify(join(directory.path, "gate"));
    const body = `if (job.parameters.year === 1999) throw nonRetryable("1999: there are no books.");
      context.progress(0.5, "Half way");
      while (!fs.existsSync(${gate})) await new Promise((resolve) => setTimeout(resolve, 20));
      return { output: job.parameters };`;
    await system.publish(TENANT, "financial-year-end.zip", testPackage({ jobs: { FinancialYearEnd: body } }));
    await system.startWorker({ slots: 2 });
    child = spawn(process.execPath, [SAMPLE], {
      env: { PATH: process.env["PATH"], JOBYARD_URL: system.api.url, TENANT, PORT: "0" },
      stdio: ["ignore", "pipe", "ignore"],
    });
    [url] = (await once(createInterface(child.stdout!), "line")) as [string];
  });
  afterAll(async () => {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
    await Promise.all([system[Symbol.asyncDispose](), directory[Symbol.asyncDispose]()]);
  });

  const post = (fields: Record<string, string>): Promise<Response> =>
    fetch(`${url}/reports`, { method: "POST", body: new URLSearchParams(fields), redirect: "manual" });

  /** What the page would show, in order, until the events end. */
  async function* shownOn(path: string): AsyncGenerator<Shown> {
    const response = await fetch(`${url}${path}/events`);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    let rest = "";
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      const messages = (rest + part).split("\n\n");
      rest = messages.pop() ?? "";
      for (const message of messages) yield JSON.parse(message.replace("data: ", "")) as Shown;
    }
  }

  it("submits one job however often the form is sent, and shows its progress until it has ended", async () => {
    const form = await (await fetch(url)).text();
    const id = /name="id" value="([0-9a-f-]+)"/.exec(form)?.[1] ?? "";
    const [first, second] = await Promise.all([post({ id, year: "2025" }), post({ id, year: "2025" })]);
    expect([first.status, second.status]).toEqual([303, 303]);
    const path = first.headers.get("location") ?? "";
    expect([path, second.headers.get("location")]).toEqual([`/reports/${id}`, `/reports/${id}`]);
    expect(await (await fetch(`${url}${path}`)).text()).toContain("<h1>Your report</h1>");

    const shown: Shown[] = [];
    for await (const one of shownOn(path)) {
      shown.push(one);
      if (one.fraction === 0.5) await writeFile(join(directory.path, "gate"), "");
    }
    expect(shown).toContainEqual({ fraction: 0.5, text: "Half way", isOver: false });
    expect(shown.at(-1)).toEqual({ fraction: 1, text: 'It is ready: {"year":2025}', isOver: true });
  });

  it("shows why a job refused its parameters", async () => {
    const id = randomUUID();
    const { headers } = await post({ id, year: "1999" });
    const shown: Shown[] = [];
    for await (const one of shownOn(headers.get("location") ?? "")) shown.push(one);
    expect(shown.at(-1)).toEqual({ text: "1999: there are no books.", isOver: true });
  });

  it("refuses a year that is none, and knows no report that was not made", async () => {
    expect((await post({ id: randomUUID(), year: "soon" })).status).toBe(422);
    expect((await post({ id: "<script>", year: "2025" })).status).toBe(422);
    expect((await fetch(`${url}/reports/${randomUUID()}`)).status).toBe(404);
  });
});
