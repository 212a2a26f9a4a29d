/**
 * A stand-in for the Pulumi engine. It runs a program through Pulumi's own loader, as `pulumi preview` would, and
 * records what the program registers. It needs no CLI, no account and no cloud. The caller provides the outputs of
 * resources.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engineProto from "@pulumi/pulumi/proto/engine_pb.js";
import resourceGrpc from "@pulumi/pulumi/proto/resource_grpc_pb.js";
import resourceProto from "@pulumi/pulumi/proto/resource_pb.js";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import structProto, { type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";

/** Properties of resources and answers of functions, as Pulumi passes them. */
export type Properties = Readonly<Record<string, unknown>>;

export interface ProgramRun {
  readonly project: string;
  readonly stack: string;
  /** Folder of Pulumi.yaml. */
  readonly root: string;
  /** The program, relative to the root. */
  readonly main: string;
  /** Configuration by full key. Objects are JSON. */
  readonly config: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The stand-in for the providers. */
  readonly cloud: EngineCloud;
  /** Runs the program against the engine at an address. Absent: Pulumi's own loader in a separate process. */
  readonly start?: StartProgram;
}

/** Rejects if the program fails. */
export type StartProgram = (run: ProgramRun, engineAddress: string) => Promise<void>;

/** The providers, from the engine's view. An error that they throw ends the program. */
export interface EngineCloud {
  readonly preview: boolean;
  /** Creates the resource, or updates the existing one to these inputs. */
  register(registration: Registration): { readonly id: string; readonly state: Properties };
  invoke(token: string): Properties;
}

/** One registration, with references to others as `type::name`. */
export interface Registration {
  readonly type: string;
  readonly name: string;
  readonly parent: string;
  readonly custom: boolean;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace: boolean;
  /** Paths whose change replaces the resource. */
  readonly replaceOnChanges: readonly string[];
  /** Deleted together with that resource. Absent: must be deleted itself. */
  readonly deletedWith?: string;
  readonly ignoreChanges: readonly string[];
  readonly dependsOn: readonly string[];
  readonly inputs: Properties;
}

export interface RecordedProgram {
  readonly registrations: readonly Registration[];
  readonly outputs: Properties;
}

/** The program did not run to its end. The message is its log. */
export class ProgramFailedError extends Error {
  override readonly name = "ProgramFailedError";
}

/** The features that the program may use. It works without newer ones. */
const FEATURES = new Set(["secrets", "aliasSpecs", "deletedWith"]);
const STACK_TYPE = "pulumi:pulumi:Stack";

/** Resolves when the program has ended successfully. Throws ProgramFailedError otherwise. */
export async function recordProgram(run: ProgramRun): Promise<RecordedProgram> {
  const registrations: Registration[] = [];
  const complaints: string[] = [];
  const { cloud } = run;
  let outputs: Properties = {};
  let stackUrn = "";
  const prefix = `urn:pulumi:${run.stack}::${run.project}::`;
  const reference = (urn: string): string => (urn.startsWith(prefix) ? urn.slice(prefix.length) : urn);

  const server = new grpc.Server();
  server.addService(resourceGrpc.ResourceMonitorService, {
    ...unimplemented(resourceGrpc.ResourceMonitorService),
    supportsFeature: unary((request: resourceProto.SupportsFeatureRequest) => {
      const answer = new resourceProto.SupportsFeatureResponse();
      answer.setHassupport(FEATURES.has(request.getId()));
      return answer;
    }),
    registerResource: unary((request: resourceProto.RegisterResourceRequest) => {
      const [type, name] = [request.getType(), request.getName()];
      const inputs: Properties = request.getObject()?.toJavaScript() ?? {};
      const registration: Registration = {
        type,
        name,
        parent: reference(request.getParent()),
        custom: request.getCustom(),
        protect: request.getProtect() ?? false,
        retainOnDelete: request.getRetainondelete() ?? false,
        deleteBeforeReplace: request.getDeletebeforereplace(),
        replaceOnChanges: request.getReplaceonchangesList(),
        ...(request.getDeletedwith() !== "" && { deletedWith: reference(request.getDeletedwith()) }),
        ignoreChanges: request.getIgnorechangesList(),
        dependsOn: request.getDependenciesList().map(reference).sort(),
        inputs,
      };
      registrations.push(registration);
      const answer = new resourceProto.RegisterResourceResponse();
      answer.setUrn(`${prefix}${type}::${name}`);
      if (request.getCustom()) {
        const { id, state } = cloud.register(registration);
        answer.setId(id);
        answer.setObject(struct(state));
      }
      return answer;
    }),
    registerResourceOutputs: unary((request: resourceProto.RegisterResourceOutputsRequest) => {
      if (request.getUrn().includes(STACK_TYPE)) outputs = request.getOutputs()?.toJavaScript() ?? {};
      return new emptyProto.Empty();
    }),
    invoke: unary((request: resourceProto.ResourceInvokeRequest) => {
      const answer = new resourceProto.ResourceInvokeResponse();
      answer.setReturn(struct(cloud.invoke(request.getTok())));
      return answer;
    }),
    registerPackage: unary(() => {
      const answer = new resourceProto.RegisterPackageResponse();
      answer.setRef("package");
      return answer;
    }),
    signalAndWaitForShutdown: unary(() => new emptyProto.Empty()),
  });
  server.addService(engineGrpc.EngineService, {
    ...unimplemented(engineGrpc.EngineService),
    log: unary((request: engineProto.LogRequest) => {
      if (request.getSeverity() === engineProto.LogSeverity.ERROR) complaints.push(request.getMessage());
      return new emptyProto.Empty();
    }),
    getRootResource: unary(() => {
      const answer = new engineProto.GetRootResourceResponse();
      answer.setUrn(stackUrn);
      return answer;
    }),
    setRootResource: unary((request: engineProto.SetRootResourceRequest) => {
      stackUrn = request.getUrn();
      return new engineProto.SetRootResourceResponse();
    }),
  });

  const address = await listen(server);
  try {
    if (run.start === undefined) await runLoader(run, { address, preview: cloud.preview }, complaints);
    else await run.start(run, address);
  } finally {
    server.forceShutdown();
  }
  // Registrations arrive as promises settle. Their order has no meaning.
  const key = ({ type, name }: Registration): string => `${type}::${name}`;
  return { registrations: registrations.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)), outputs };
}

async function runLoader(
  run: ProgramRun,
  { address, preview }: { readonly address: string; readonly preview: boolean },
  complaints: readonly string[],
): Promise<void> {
  const loader = createRequire(import.meta.url).resolve("@pulumi/pulumi/cmd/run");
  const program = join(run.root, run.main);
  const child = spawn(
    process.execPath,
    [
      // Otherwise Pulumi records where thousands of promises were created, and maps every frame through source maps.
      "--stack-trace-limit=2",
      loader,
      `--project=${run.project}`,
      `--stack=${run.stack}`,
      `--root-directory=${run.root}`,
      `--pwd=${dirname(program)}`,
      `--monitor=${address}`,
      `--engine=${address}`,
      "--parallel=16",
      `--dry-run=${String(preview)}`,
      basename(program),
    ],
    { stdio: ["ignore", "ignore", "pipe"], env: environmentOf(run) },
  );
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0 || complaints.length > 0) {
    throw new ProgramFailedError(
      [...complaints, errors].join("\n").trim() || `The program ended with ${String(code)}.`,
    );
  }
}

const environmentOf = ({ environment, root, config }: ProgramRun): NodeJS.ProcessEnv => ({
  // Unchanged modules are compiled once.
  NODE_COMPILE_CACHE: join(root, "node_modules/.cache/jobyard/compiled"),
  ...environment,
  // Otherwise a proxy of this machine would get the requests to the engine, which is in this process.
  no_grpc_proxy: "127.0.0.1",
  PULUMI_CONFIG: JSON.stringify(config),
});

const struct = (properties: Properties): structProto.Struct =>
  structProto.Struct.fromJavaScript(properties as Record<string, JavaScriptValue>);

/** A handler that answers at once, or with the error that it throws. */
const unary =
  <Request, Response>(answer: (request: Request) => Response): grpc.handleUnaryCall<Request, Response> =>
  (call, callback) => {
    try {
      callback(null, answer(call.request));
    } catch (error) {
      callback({ code: grpc.status.INTERNAL, message: String(error) });
    }
  };

/** Every method, answering that it is not implemented. The loader then works without it. */
const unimplemented = (service: object): Record<string, grpc.handleUnaryCall<unknown, unknown>> =>
  Object.fromEntries(
    Object.keys(service).map((method): [string, grpc.handleUnaryCall<unknown, unknown>] => [
      method,
      (_call, callback) => callback({ code: grpc.status.UNIMPLEMENTED, message: method }),
    ]),
  );

const listen = (server: grpc.Server): Promise<string> =>
  new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(`127.0.0.1:${port}`);
      else reject(error);
    });
  });
