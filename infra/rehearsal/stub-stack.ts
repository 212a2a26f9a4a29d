/**
 * Deploys the program without Pulumi's engine: the program registers its resources with the stub engine, and each is
 * created, changed or replaced in the stand-in cloud by the engine's own rules. What is no longer registered goes last.
 */
import {
  ProgramFailedError,
  recordProgram,
  type EngineCloud,
  type ProgramRun,
  type Registration,
} from "../tools/stub-engine.ts";
import { RefusedError, recordable, type Properties, type StandIn } from "./stand-in.ts";

/** What the last deployment left, in the order of creation. */
interface Deployed {
  readonly key: string;
  readonly registration: Registration;
  id: string;
  inputs: Properties;
}

export interface StubStack {
  /** Throws ProgramFailedError: the program failed, or the cloud refused something. */
  up(run: Omit<ProgramRun, "cloud">): Promise<Properties>;
  destroy(): void;
}

export function createStubStack(cloud: StandIn): StubStack {
  const deployed: Deployed[] = [];

  function remove({ id, registration }: Deployed): void {
    if (!registration.retainOnDelete) cloud.remove(id);
  }

  /** The inputs to reach: those of the program, but what is ignored stays as the cloud has it. */
  function wanted(registration: Registration, before: Deployed | undefined): Properties {
    const { type, name, ignoreChanges } = registration;
    const inputs = cloud.check(type, name, recordable(registration.inputs), before?.inputs);
    const present = before === undefined ? undefined : cloud.read(before.id)?.inputs;
    if (present === undefined) return inputs;
    return ignoreChanges.reduce((result, path) => withValueOf(result, present, path.split(".")), inputs);
  }

  function deploy(
    registration: Registration,
    outgoing: Deployed[],
  ): { readonly id: string; readonly state: Properties } {
    const { type, name } = registration;
    const key = `${type}::${name}`;
    const index = deployed.findIndex((entry) => entry.key === key);
    const before = deployed[index];
    const inputs = wanted(registration, before);
    const create = (): { readonly id: string; readonly state: Properties } => {
      const { id, outputs } = cloud.create(type, name, inputs);
      deployed.push({ key, registration, id, inputs });
      return { id, state: outputs };
    };
    if (before === undefined) return create();

    const { changed, replaces } = cloud.diff(before.id, type, inputs);
    if (replaces.length > 0) {
      deployed.splice(index, 1);
      // The old one goes first where two cannot live side by side, else at the end.
      if (registration.deleteBeforeReplace) remove(before);
      else outgoing.push(before);
      return create();
    }
    const state = changed.length > 0 ? cloud.update(before.id, type, inputs) : cloud.read(before.id)?.outputs;
    deployed[index] = { ...before, registration, inputs };
    return { id: before.id, state: state ?? {} };
  }

  return {
    async up(run) {
      const outgoing: Deployed[] = [];
      const refusals: string[] = [];
      const engine: EngineCloud = {
        preview: false,
        invoke: (token) => cloud.invoke(token),
        register(registration) {
          try {
            return deploy(registration, outgoing);
          } catch (error) {
            if (error instanceof RefusedError) refusals.push(`${registration.name}: ${error.message}`);
            throw error;
          }
        },
      };
      const { registrations, outputs } = await recordProgram({ ...run, cloud: engine }).catch((error: unknown) => {
        if (refusals.length === 0) throw error;
        throw new ProgramFailedError(refusals.join("\n"), { cause: error });
      });
      const kept = new Set(registrations.map(({ type, name }) => `${type}::${name}`));
      const surplus = deployed.filter(({ key }) => !kept.has(key));
      for (const entry of surplus.toReversed()) {
        remove(entry);
        deployed.splice(deployed.indexOf(entry), 1);
      }
      for (const entry of outgoing.toReversed()) remove(entry);
      return outputs;
    },

    destroy() {
      const kept = deployed.find(({ registration }) => registration.protect);
      if (kept !== undefined) throw new RefusedError(`${kept.registration.name} is protected.`);
      for (const entry of deployed.splice(0).toReversed()) remove(entry);
    },
  };
}

/** `target` with the value that `source` has at the path; without it where `source` has none. */
function withValueOf(target: Properties, source: Properties, [key = "", ...rest]: readonly string[]): Properties {
  if (rest.length === 0) {
    const { [key]: _ignored, ...others } = target;
    return source[key] === undefined ? others : { ...others, [key]: source[key] };
  }
  const [inner, from] = [target[key], source[key]] as [Properties | undefined, Properties | undefined];
  return { ...target, [key]: withValueOf(inner ?? {}, from ?? {}, rest) };
}
