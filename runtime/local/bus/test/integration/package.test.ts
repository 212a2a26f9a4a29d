/** The packed tarball works in a program of another project, beside its dependencies. */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ServiceBusClient } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { temporaryDirectory, type TemporaryDirectory } from "../../../../../test/support/temporary-directory.ts";
import { startBusProcess } from "../support/bus-process.ts";
import { QUICK_RETRIES } from "../support/start-bus.ts";

const run = promisify(execFile);
const PACKAGE = join(import.meta.dirname, "../..");
const MODULES = join(PACKAGE, "../../../node_modules");

interface Manifest {
  readonly name: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

let consumer: TemporaryDirectory;
let manifest: Manifest;
let installed: string;
beforeAll(async () => {
  consumer = await temporaryDirectory();
  manifest = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8")) as Manifest;
  installed = join(consumer.path, "node_modules", manifest.name);
  await mkdir(installed, { recursive: true });
  const pack = ["pack", "--silent", "--pack-destination", consumer.path];
  const { stdout } = await run("npm", pack, { cwd: PACKAGE, shell: process.platform === "win32" });
  const tarball = join(consumer.path, stdout.trim().split("\n").at(-1) ?? "");
  await run("tar", ["-xzf", tarball, "-C", installed, "--strip-components", "1"]);
  for (const name of [...Object.keys(manifest.dependencies), "@types/node", "@azure/service-bus"]) {
    const link = join(consumer.path, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(MODULES, name), link);
  }
});
afterAll(() => consumer[Symbol.asyncDispose]());

const PROGRAM = `
import { ServiceBusClient } from "@azure/service-bus";
import { startLocalServiceBus, type BusTopology } from "@your-scope/local-service-bus";

const topology: BusTopology = { queues: [{ name: "orders" }], topics: [] };
const bus = await startLocalServiceBus({ port: 0, topology });
const client = new ServiceBusClient(bus.connectionString);
await client.createSender("orders").sendMessages({ body: "hello" });
const [message] = await client.createReceiver("orders").receiveMessages(1);
console.log(message?.body);
await client.close();
await bus.close();
`;

describe("the package of the local Service Bus", () => {
  it("holds built files and documents, no sources and no tests", async () => {
    const files = (await readdir(installed, { recursive: true, withFileTypes: true })).filter((each) => each.isFile());
    const names = files.map((each) => join(each.parentPath, each.name).slice(installed.length + 1));
    const top = names.filter((name) => !name.startsWith("dist")).sort();
    expect(top).toEqual(["LICENSE", "README.md", "package.json"]);
    expect(names.filter((name) => /(?<!\.d)\.ts$|test/.test(name))).toEqual([]);
  });

  it("serves a queue in a strict TypeScript program of another project", async () => {
    await writeFile(join(consumer.path, "package.json"), '{ "type": "module" }');
    await writeFile(join(consumer.path, "program.ts"), PROGRAM);
    const tsc = join(MODULES, "typescript/bin/tsc");
    const flags = ["--strict", "--skipLibCheck", "--target", "es2024", "--module", "nodenext", "--types", "node"];
    await run(process.execPath, [tsc, ...flags, "--outDir", "out", "program.ts"], { cwd: consumer.path }).catch(
      (error: unknown) => {
        throw new Error((error as { stdout: string }).stdout);
      },
    );
    const { stdout } = await run(process.execPath, ["out/program.js"], { cwd: consumer.path });
    expect(stdout).toBe("hello\n");
  });

  it("serves a queue as a command", async () => {
    const program = join(installed, "dist/cli.js");
    await using bus = await startBusProcess({ queues: [{ name: "orders" }] }, [], program);
    const client = new ServiceBusClient(bus.connectionString, { retryOptions: QUICK_RETRIES });
    onTestFinished(() => client.close());
    await client.createSender("orders").sendMessages({ body: "hello" });
    expect(await client.createReceiver("orders").receiveMessages(1)).toMatchObject([{ body: "hello" }]);
  });
});
