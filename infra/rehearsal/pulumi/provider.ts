/**
 * One of the two providers, as a process that Pulumi's engine starts. It serves the stand-in over gRPC. It keeps its
 * part of the cloud in one file and its changes in another. Arguments: the provider's name, the file, then those of the
 * engine.
 */
import { appendFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { main, type Provider } from "@pulumi/pulumi/provider/index.js";
import { changesFile, PROVIDER_ENV } from "./provider-files.ts";
import { assetOf, type CloudRecord, type Properties } from "./record.ts";
import { createStandIn, type StandIn } from "./stand-in.ts";

const [name = "", file = "", ...engineArguments] = process.argv.slice(2);

const read = (): CloudRecord => JSON.parse(readFileSync(file, "utf8")) as CloudRecord;

/** Complete at every moment, because the engine may end this process. */
function write(cloud: CloudRecord): void {
  const half = `${file}.${process.pid}`;
  writeFileSync(half, JSON.stringify(cloud));
  renameSync(half, file);
}

const { [PROVIDER_ENV.deployer]: deployer, [PROVIDER_ENV.dieAfter]: dieAfter } = process.env;
const standIn = (cloud: CloudRecord): StandIn =>
  createStandIn(cloud, {
    deployer: () => deployer,
    onChange(verb, resource) {
      appendFileSync(changesFile(file), `${verb} ${resource}\n`);
      if (verb === "create") created++;
    },
  });
let created = 0;
const isDying = (): boolean => dieAfter !== undefined && created >= Number(dieAfter);

/** Synchronous, so that no other request can come between. */
const change = <Result>(make: (cloud: StandIn) => Result): Promise<Result> =>
  new Promise((resolve) => {
    const cloud = read();
    const result = make(standIn(cloud));
    write(cloud);
    if (isDying()) endEngine();
    else resolve(result);
  });

const engine = process.ppid;
// A killed engine cannot end its plugins.
setInterval(() => {
  if (process.ppid !== engine) process.exit();
}, 1_000).unref();

/** Like a machine that is switched off: pending requests are carried out, and the engine never gets an answer. */
function endEngine(): void {
  const end = (): void => {
    if (process.ppid === engine) process.kill(engine, "SIGKILL");
    process.exit();
  };
  unanswered++;
  if (unanswered === UNANSWERED_MAX) end();
  // Fewer, if no more can be created without those.
  if (unanswered === 1) setTimeout(end, LAST_REQUESTS_MS);
}
let unanswered = 0;
const UNANSWERED_MAX = 6;
const LAST_REQUESTS_MS = 2_000;

const look = <Result>(at: (cloud: StandIn) => Result): Promise<Result> =>
  new Promise((resolve) => resolve(at(standIn(read()))));

/** A URN has the types of the parents before the resource's own: `…::project::parent$type::name`. */
function resourceOf(urn: string): { readonly type: string; readonly name: string } {
  const [, , types = "", ...names] = urn.split("::");
  return { type: types.split("$").at(-1) ?? "", name: names.join("::") };
}

/** Assets cannot be returned. Without inputs the engine keeps those it has, as with the real provider. */
const readable = (inputs: Properties): Properties | undefined =>
  Object.values(inputs).some((value) => assetOf(value) !== undefined) ? undefined : inputs;

const { version } = createRequire(import.meta.url)(`@pulumi/${name}/package.json`) as { version: string };

const provider: Provider = {
  version,
  check(urn, before: Properties, inputs: Properties) {
    const { type, name: logicalName } = resourceOf(urn);
    return look((cloud) => ({ inputs: cloud.check(type, logicalName, inputs, before) }));
  },
  diff(id, urn, _before, inputs: Properties) {
    return look((cloud) => {
      const { changed, replaces } = cloud.diff(id, resourceOf(urn).type, inputs);
      // Pulumi's server for providers cannot return the paths. Without a verdict the engine finds them itself. It needs
      // them for `replaceOnChanges`.
      return { ...(changed.length === 0 && { changes: false }), replaces: [...replaces] };
    });
  },
  create(urn, inputs: Properties) {
    const { type, name: logicalName } = resourceOf(urn);
    return change((cloud) => {
      const { id, outputs } = cloud.create(type, logicalName, inputs);
      return { id, outs: outputs };
    });
  },
  read(id) {
    return look((cloud) => {
      const found = cloud.read(id);
      // An empty id means that the resource does not exist.
      if (found === undefined) return { id: "", props: {} };
      return { id, props: found.outputs, inputs: readable(found.inputs) };
    });
  },
  update(id, urn, _before, inputs: Properties) {
    return change((cloud) => ({ outs: cloud.update(id, resourceOf(urn).type, inputs) }));
  },
  delete(id) {
    return change((cloud) => cloud.remove(id));
  },
  invoke(token) {
    return look((cloud) => ({ outputs: cloud.invoke(token) }));
  },
};

await main(provider, engineArguments);
