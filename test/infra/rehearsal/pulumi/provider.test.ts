import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import type plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import proto from "@pulumi/pulumi/proto/provider_pb.js";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import structProto, { type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";
import { describe, expect, it } from "vitest";
import type { CloudRecord, Properties } from "../../../../infra/rehearsal/pulumi/record.ts";
import { secret, textAsset } from "../../../support/infra/pulumi-wire.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const PROVIDER = join(import.meta.dirname, "../../../../infra/rehearsal/pulumi/provider.ts");
const urn = (type: string, name: string): string => `urn:pulumi:dev::jobyard::jobyard:infra:Data$${type}::${name}`;
const struct = (properties: Properties): structProto.Struct =>
  structProto.Struct.fromJavaScript(properties as Record<string, JavaScriptValue>);
const plain = (value: structProto.Struct | undefined): Properties => value?.toJavaScript() ?? {};

/** The answer to one call. */
const answerTo = <Response>(
  call: (done: (error: grpc.ServiceError | null, response: Response) => void) => unknown,
): Promise<Response> =>
  new Promise((resolve, reject) => {
    call((error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });

/** The provider, started as the engine starts it. It prints its port. */
async function startProvider(name: string, file: string) {
  const child = spawn(process.execPath, [PROVIDER, name, file, "127.0.0.1:1"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = once(createInterface(child.stdout), "line") as Promise<[string]>;
  const [port] = await Promise.race([lines, exited.then(() => Promise.reject(new Error("The provider has ended.")))]);
  const client = new providerGrpc.ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  return {
    async version() {
      const empty = new emptyProto.Empty();
      return (await answerTo<plugin.PluginInfo>((done) => client.getPluginInfo(empty, done))).getVersion();
    },
    async check(resource: string, inputs: Properties, before: Properties = {}) {
      const request = new proto.CheckRequest();
      request.setUrn(resource);
      request.setOlds(struct(before));
      request.setNews(struct(inputs));
      return plain((await answerTo<proto.CheckResponse>((done) => client.check(request, done))).getInputs());
    },
    async diff(id: string, resource: string, inputs: Properties) {
      const request = new proto.DiffRequest();
      request.setId(id);
      request.setUrn(resource);
      request.setOlds(struct({}));
      request.setNews(struct(inputs));
      const answer = await answerTo<proto.DiffResponse>((done) => client.diff(request, done));
      const some = answer.getChanges() !== proto.DiffResponse.DiffChanges.DIFF_NONE;
      return { changes: some, replaces: answer.getReplacesList() };
    },
    async create(resource: string, inputs: Properties) {
      const request = new proto.CreateRequest();
      request.setUrn(resource);
      request.setProperties(struct(inputs));
      const answer = await answerTo<proto.CreateResponse>((done) => client.create(request, done));
      return { id: answer.getId(), outputs: plain(answer.getProperties()) };
    },
    async read(id: string, resource: string) {
      const request = new proto.ReadRequest();
      request.setId(id);
      request.setUrn(resource);
      request.setProperties(struct({}));
      const answer = await answerTo<proto.ReadResponse>((done) => client.read(request, done));
      const [outputs, inputs] = [answer.getProperties(), answer.getInputs()];
      return { id: answer.getId(), outputs: plain(outputs), inputs: inputs && plain(inputs) };
    },
    async update(id: string, resource: string, inputs: Properties) {
      const request = new proto.UpdateRequest();
      request.setId(id);
      request.setUrn(resource);
      request.setOlds(struct({}));
      request.setNews(struct(inputs));
      return plain((await answerTo<proto.UpdateResponse>((done) => client.update(request, done))).getProperties());
    },
    async remove(id: string, resource: string) {
      const request = new proto.DeleteRequest();
      request.setId(id);
      request.setUrn(resource);
      request.setProperties(struct({}));
      await answerTo((done) => client.delete(request, done));
    },
    async invoke(token: string) {
      const request = new proto.InvokeRequest();
      request.setTok(token);
      request.setArgs(struct({}));
      return plain((await answerTo<proto.InvokeResponse>((done) => client.invoke(request, done))).getReturn());
    },
    async [Symbol.asyncDispose]() {
      client.close();
      child.kill("SIGKILL");
      await exited;
    },
  };
}

describe("a provider as a process", () => {
  it("a provider makes the engine's changes to the cloud and stores them in its file", async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, "azure native's.json");
    await writeFile(file, "{}");
    const record = async (): Promise<CloudRecord> => JSON.parse(await readFile(file, "utf8")) as CloudRecord;
    await using provider = await startProvider("azure-native", file);
    expect(await provider.version()).toMatch(/^\d+\.\d+\.\d+$/);
    expect(await provider.invoke("azure-native:authorization:getClientConfig")).toHaveProperty("tenantId");

    const site = urn("azure-native:web:WebApp", "api");
    const given = { resourceGroupName: "group", key: secret("word") };
    const inputs = await provider.check(site, given);
    expect(inputs).toEqual({ ...given, name: expect.stringMatching(/^api[0-9a-f]{8}$/) as string });
    expect(await provider.check(site, given, { name: "api-of-old" })).toEqual({ ...given, name: "api-of-old" });

    const { id, outputs } = await provider.create(site, inputs);
    expect(outputs).toMatchObject({ key: "word", defaultHostName: `${String(inputs["name"])}.azurewebsites.net` });
    const kept = { ...inputs, key: "word" };
    expect(await record()).toEqual({ [id]: { type: "azure-native:web:WebApp", name: "api", inputs: kept } });
    expect(await provider.read(id, site)).toEqual({ id, outputs, inputs: kept });
    await expect(provider.create(site, inputs)).rejects.toThrow("cannot create already existing resource");

    expect(await provider.diff(id, site, inputs)).toEqual({ changes: false, replaces: [] });
    expect(await provider.diff(id, site, { ...inputs, tags: {} })).toEqual({ changes: true, replaces: [] });
    const elsewhere = { ...inputs, resourceGroupName: "other" };
    expect(await provider.diff(id, site, elsewhere)).toEqual({ changes: true, replaces: ["resourceGroupName"] });

    expect(await provider.update(id, site, { ...inputs, tags: {} })).toEqual({ ...outputs, tags: {} });
    expect((await record())[id]?.inputs).toEqual({ ...kept, tags: {} });

    await provider.remove(id, site);
    expect(await record()).toEqual({});
    expect(await provider.read(id, site)).toEqual({ id: "", outputs: {}, inputs: undefined });
    await expect(provider.update(id, site, inputs)).rejects.toThrow(`ResourceNotFound: ${id}`);
    expect((await readdir(directory.path)).toSorted()).toEqual(["azure native's.json", "azure native's.json.changes"]);
    // A refused request is not a change.
    expect(await readFile(`${file}.changes`, "utf8")).toBe("create api\nupdate api\nremove api\n");
  });

  it("a provider returns no inputs if one is an asset, so that the engine keeps its own", async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, "azure-native.json");
    await writeFile(file, "{}");
    await using provider = await startProvider("azure-native", file);
    const pointer = urn("azure-native:storage:Blob", "pointer");
    const names = { resourceGroupName: "group", accountName: "data", containerName: "releases", blobName: "a.json" };
    const inputs = { ...names, source: textAsset("{}") };
    const { id, outputs } = await provider.create(pointer, inputs);
    expect(outputs).not.toHaveProperty("source");
    expect(await provider.read(id, pointer)).toEqual({ id, outputs, inputs: undefined });
    expect(await provider.diff(id, pointer, inputs)).toEqual({ changes: false, replaces: [] });
  });
});
