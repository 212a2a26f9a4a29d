/**
 * Deploys the program without Pulumi's engine: the program registers its resources with the stub engine, and each is
 * created, changed or replaced in the stand-in cloud by the engine's own rules. What is no longer registered goes last.
 */
import { ProgramFailedError, type EngineCloud, type RecordedProgram, type Registration } from "../tools/stub-engine.ts";
import { at, RefusedError, recordable, same, type Properties, type StandIn } from "./stand-in.ts";

/** What the last deployment left, in the order of creation. */
interface Deployed {
  readonly key: string;
  readonly registration: Registration;
  id: string;
  inputs: Properties;
}

export interface StubStack {
  /** Both throw ProgramFailedError: the program failed, or the cloud refused something. */
  up(program: (engine: EngineCloud) => Promise<RecordedProgram>): Promise<void>;
  destroy(): void;
}

export function createStubStack(cloud: StandIn): StubStack {
  const deployed: Deployed[] = [];
  /** Replaced, and to be removed at the end of a deployment that succeeds; oldest first. */
  const outgoing: Deployed[] = [];

  function refuseProtected(entries: readonly Deployed[]): void {
    const kept = entries.find(({ registration }) => registration.protect);
    if (kept !== undefined) throw new RefusedError(`${kept.registration.name} is protected and cannot be deleted.`);
  }

  /** Newest first, so that nothing goes before what is in it. What is refused stays for the next time. */
  function removeAll(entries: Deployed[]): void {
    const going = new Set(entries.map(({ key }) => key));
    for (let last = entries.at(-1); last !== undefined; last = entries.at(-1)) {
      const { retainOnDelete, deletedWith } = last.registration;
      const goesByItself = deletedWith !== undefined && going.has(deletedWith);
      if (!retainOnDelete && !goesByItself) cloud.remove(last.id);
      entries.pop();
    }
  }

  /** The inputs to reach: those of the program, but what is ignored stays as the cloud has it. */
  function wanted(registration: Registration, before: Deployed | undefined): Properties {
    const { type, name, ignoreChanges } = registration;
    const inputs = cloud.check(type, name, recordable(registration.inputs), before?.inputs);
    const present = before === undefined ? undefined : cloud.read(before.id)?.inputs;
    if (present === undefined) return inputs;
    return ignoreChanges.reduce((result, path) => withValueOf(result, present, path.split(".")), inputs);
  }

  function deploy(registration: Registration): { readonly id: string; readonly state: Properties } {
    const { type, name } = registration;
    const key = keyOf(registration);
    const index = deployed.findIndex((entry) => entry.key === key);
    let before = deployed[index];
    // Gone behind the engine's back.
    if (before !== undefined && cloud.read(before.id) === undefined) {
      deployed.splice(index, 1);
      before = undefined;
    }
    const inputs = wanted(registration, before);
    const create = (): { readonly id: string; readonly state: Properties } => {
      const { id, outputs } = cloud.create(type, name, inputs);
      deployed.push({ key, registration, id, inputs });
      return { id, state: outputs };
    };
    if (before === undefined) return create();

    const { changed, replaces } = cloud.diff(before.id, type, inputs);
    const { inputs: present } = before;
    const isReplaced = registration.replaceOnChanges.some((path) => !same(at(present, path), at(inputs, path)));
    if (replaces.length > 0 || isReplaced) {
      refuseProtected([before]);
      const replaced = deployed.splice(index, 1);
      // The old one goes first where two cannot live side by side, else at the end.
      if (registration.deleteBeforeReplace) removeAll(replaced);
      else outgoing.push(...replaced);
      return create();
    }
    const state = changed.length > 0 ? cloud.update(before.id, type, inputs) : cloud.read(before.id)?.outputs;
    deployed[index] = { ...before, registration, inputs };
    return { id: before.id, state: state ?? {} };
  }

  return {
    async up(program) {
      // The program logs a stack trace for each.
      const refusals: string[] = [];
      const engine: EngineCloud = {
        preview: false,
        invoke: (token) => cloud.invoke(token),
        register(registration) {
          try {
            return deploy(registration);
          } catch (error) {
            if (error instanceof RefusedError) refusals.push(`${registration.name}: ${error.message}`);
            throw error;
          }
        },
      };
      try {
        const { registrations } = await program(engine);
        const kept = new Set(registrations.map(keyOf));
        const surplus = deployed.filter(({ key }) => !kept.has(key));
        refuseProtected(surplus);
        for (const entry of surplus) deployed.splice(deployed.indexOf(entry), 1);
        outgoing.push(...surplus);
        removeAll(outgoing);
      } catch (error) {
        throw programFailed(error, refusals);
      }
    },

    destroy() {
      try {
        refuseProtected(deployed);
        removeAll(deployed);
        removeAll(outgoing);
      } catch (error) {
        throw programFailed(error, []);
      }
    },
  };
}

const keyOf = ({ type, name }: Pick<Registration, "type" | "name">): string => `${type}::${name}`;

function programFailed(error: unknown, refusals: readonly string[]): unknown {
  const all = error instanceof RefusedError ? [...refusals, error.message] : refusals;
  return all.length === 0 ? error : new ProgramFailedError(all.join("\n"), { cause: error });
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
