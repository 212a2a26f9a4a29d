/**
 * Deploys the program without Pulumi's engine. The program registers its resources with the stub engine, which creates,
 * changes or replaces each in the stand-in cloud by Pulumi's rules. Resources that are no longer registered are deleted
 * last.
 */
import {
  ProgramFailedError,
  type EngineCloud,
  type RecordedProgram,
  type Registration,
} from "../../tools/stub-engine.ts";
import { recoveredState, recoveryLines } from "../../tools/recovered-state.ts";
import { at, recordable, same, type Properties } from "./record.ts";
import { RefusedError } from "./refusals.ts";
import type { StandIn } from "./stand-in.ts";

/** The resources of the last deployment, in the order of creation. */
interface Deployed {
  readonly key: string;
  readonly registration: Registration;
  id: string;
  inputs: Properties;
}

export interface StubStack {
  /** Both throw ProgramFailedError: the program failed, or the cloud refused something. */
  up(program: (engine: EngineCloud) => Promise<RecordedProgram>, options?: UpOptions): Promise<void>;
  destroy(): void;
  /** What `npm run recover` does to the state. Resolves with its output. */
  recover(): string;
}

export interface UpOptions {
  /** The engine dies after this many creations, and has not recorded the last of them. */
  readonly dieAfter?: number;
}

/** Concurrent creations, which are lost when the engine dies. */
const UNDER_WAY = 6;

export function createStubStack(cloud: StandIn): StubStack {
  const deployed: Deployed[] = [];
  /** Replaced resources, deleted at the end of a successful deployment. Oldest first. */
  const outgoing: Deployed[] = [];
  /** Started by an engine that died. */
  const begun: Deployed[] = [];

  function refuseProtected(entries: readonly Deployed[]): void {
    const kept = entries.find(({ registration }) => registration.protect);
    if (kept !== undefined) throw new RefusedError(`${kept.registration.name} is protected and cannot be deleted.`);
  }

  /** Reads everything first, and forgets what was deleted outside the engine. */
  function refresh(): void {
    for (const entry of [...deployed]) {
      if (cloud.read(entry.id) === undefined) deployed.splice(deployed.indexOf(entry), 1);
    }
  }

  /** Newest first, so that contents are deleted before their container. A refused deletion stays for the next time. */
  function removeAll(entries: Deployed[]): void {
    const going = new Set(entries.map(({ key }) => key));
    for (let last = entries.at(-1); last !== undefined; last = entries.at(-1)) {
      const { retainOnDelete, deletedWith } = last.registration;
      const goesByItself = deletedWith !== undefined && going.has(deletedWith);
      if (!retainOnDelete && !goesByItself) cloud.remove(last.id);
      entries.pop();
    }
  }

  /** The target inputs: those of the program, but ignored ones stay as in the cloud. */
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
    const before = deployed.find((entry) => entry.key === key);
    const create = (inputs: Properties): { readonly id: string; readonly state: Properties } => {
      const { id, outputs } = cloud.create(type, name, inputs);
      deployed.push({ key, registration, id, inputs });
      return { id, state: outputs };
    };
    const inputs = wanted(registration, before);
    if (before === undefined) return create(inputs);

    const { changed, replaces } = cloud.diff(before.id, type, inputs);
    const { inputs: present } = before;
    const isReplaced = registration.replaceOnChanges.some((path) => !same(at(present, path), at(inputs, path)));
    if (replaces.length > 0 || isReplaced) {
      refuseProtected([before]);
      deployed.splice(deployed.indexOf(before), 1);
      // The old one is deleted first if two cannot exist, else at the end.
      if (registration.deleteBeforeReplace) removeAll([before]);
      else outgoing.push(before);
      // A new name is generated.
      return create(wanted(registration, undefined));
    }
    const state = changed.length > 0 ? cloud.update(before.id, type, inputs) : cloud.read(before.id)?.outputs;
    // In the order of this deployment, because deletion uses the reverse order.
    deployed.splice(deployed.indexOf(before), 1);
    deployed.push({ ...before, registration, inputs });
    return { id: before.id, state: state ?? {} };
  }

  /** The engine's pending requests were carried out when it died, and are not in its state. */
  function die(): never {
    begun.push(...deployed.splice(-UNDER_WAY));
    throw new RefusedError("The engine was killed.");
  }

  return {
    async up(program, { dieAfter = Infinity } = {}) {
      // The program logs a stack trace for each.
      const refusals: string[] = [];
      let created = 0;
      const engine: EngineCloud = {
        preview: false,
        invoke: (token) => cloud.invoke(token),
        register(registration) {
          try {
            if (created >= dieAfter) throw new RefusedError("The engine is dead.");
            const known = deployed.length;
            const answer = deploy(registration);
            created += deployed.length - known;
            if (created >= dieAfter) die();
            return answer;
          } catch (error) {
            if (error instanceof RefusedError) refusals.push(`${registration.name}: ${error.message}`);
            throw error;
          }
        },
      };
      try {
        refresh();
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
        refresh();
        refuseProtected(deployed);
        removeAll(deployed);
        removeAll(outgoing);
      } catch (error) {
        throw programFailed(error, []);
      }
    },

    recover() {
      const stateOf = ({ key, registration, id, inputs }: Deployed) => ({
        urn: key,
        type: registration.type,
        id,
        inputs,
      });
      const recovered = recoveredState({
        deployment: {
          resources: deployed.map(stateOf),
          pending_operations: begun.map((entry) => ({
            type: "creating",
            resource: { ...stateOf(entry), id: undefined },
          })),
        },
      });
      for (const { urn, id = "" } of recovered.state.deployment.resources ?? []) {
        const entry = begun.find(({ key }) => key === urn);
        if (entry !== undefined) deployed.push({ ...entry, id });
      }
      begun.length = 0;
      return recoveryLines(recovered).join("\n");
    },
  };
}

const keyOf = ({ type, name }: Pick<Registration, "type" | "name">): string => `${type}::${name}`;

function programFailed(error: unknown, refusals: readonly string[]): unknown {
  const all = error instanceof RefusedError ? [...refusals, error.message] : refusals;
  return all.length === 0 ? error : new ProgramFailedError(all.join("\n"), { cause: error });
}

/** `target` with the value that `source` has at the path, or without it if `source` has none. */
function withValueOf(target: Properties, source: Properties, [key = "", ...rest]: readonly string[]): Properties {
  if (rest.length === 0) {
    const { [key]: _ignored, ...others } = target;
    return source[key] === undefined ? others : { ...others, [key]: source[key] };
  }
  const [inner, from] = [target[key], source[key]] as [Properties | undefined, Properties | undefined];
  return { ...target, [key]: withValueOf(inner ?? {}, from ?? {}, rest) };
}
