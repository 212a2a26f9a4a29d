/**
 * Packs and publishes one package, again for each change. A change while it works is taken up afterwards: the latest
 * state counts, and what is in between is not published. A version that cannot be made leaves the one before in use.
 */
import { join } from "node:path";
import { messageOf } from "../../core/errors.ts";
import type { PackResult } from "../../package/build/pack.ts";
import { PackError } from "../../package/build/problem.ts";
import type { DevEvent, Problem } from "./dev-event.ts";

export interface BuilderDeps {
  readonly directory: string;
  readonly pack: () => Promise<PackResult>;
  /** Resolves when the next job runs the package. */
  readonly publish: (packageName: string, zip: PackResult["zip"]) => Promise<unknown>;
  readonly tell: (event: DevEvent) => void;
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Published {
  /** As jobs name it. */
  readonly packageName: string;
  readonly sha256: string;
  readonly jobTypes: readonly string[];
  readonly timers: readonly string[];
}

export interface Builder {
  /** Resolves when this state, or a later one, is published or has failed. Never rejects. */
  build(savedAt?: number): Promise<void>;
  /** The version that jobs run. */
  readonly published: Published | undefined;
}

export function createBuilder(deps: BuilderDeps): Builder {
  const { directory, tell, now, signal } = deps;
  let published: Published | undefined;
  /** A failure has been told since. */
  let isBroken = false;
  let wanted: { readonly savedAt: number | undefined } | undefined;
  // A function, because the compiler takes what it has seen last for granted.
  const isOutdated = (): boolean => wanted !== undefined || signal.aborted;
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    while (wanted !== undefined && !signal.aborted) {
      const { savedAt } = wanted;
      wanted = undefined;
      try {
        await buildOnce(savedAt);
      } catch (error) {
        // What is saved now may not have that error.
        if (isOutdated()) continue;
        isBroken = true;
        tell({
          eventType: "packageFailed",
          folder: directory,
          problems: problemsOf(error, directory),
          sha256: published?.sha256,
        });
      }
    }
  }

  async function buildOnce(savedAt: number | undefined): Promise<void> {
    const startedAt = now();
    const { zip, sha256, manifest, warnings } = await deps.pack();
    const packedAt = now();
    if (isOutdated()) return;
    const packageName = `${manifest.name}.zip`;
    if (published?.sha256 === sha256 && published.packageName === packageName && !isBroken) {
      tell({ eventType: "packageUnchanged", packageName });
      return;
    }
    await deps.publish(packageName, zip);
    isBroken = false;
    const timers = (manifest.timers ?? []).map(({ timerName }) => timerName);
    published = { packageName, sha256, jobTypes: manifest.jobs.map(({ jobType }) => jobType), timers };
    tell({
      eventType: "packagePublished",
      ...{ packageName, sha256, jobTypes: published.jobTypes, warnings },
      watchMs: savedAt === undefined ? undefined : Math.max(0, Math.round(startedAt - savedAt)),
      packMs: Math.round(packedAt - startedAt),
      publishMs: Math.round(now() - packedAt),
    });
  }

  return {
    build(savedAt) {
      wanted = { savedAt };
      working ??= work().finally(() => (working = undefined));
      return working;
    },
    get published() {
      return published;
    },
  };
}

/** Those of a package that cannot be packed have a position; the service's have none. */
function problemsOf(error: unknown, directory: string): readonly Problem[] {
  if (!(error instanceof PackError)) return [{ message: messageOf(error) }];
  return error.problems.map(({ message, position }) => ({
    message,
    place: position && { ...position, file: join(directory, position.file) },
  }));
}
