/** The record of a deployed cloud: resources with their inputs, by id, and how values are stored and compared. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Properties } from "../../tools/stub-engine.ts";

export type { Properties };

export interface RecordedResource {
  /** As in the program, with the provider: `azure-native:storage:Table`. */
  readonly type: string;
  /** Its name in the program. */
  readonly name: string;
  readonly inputs: Properties;
  /**
   * Azure has not finished its last change: a filter cannot be read, a subnet cannot be deleted. Until `timePasses`.
   */
  readonly unsettled?: true;
}

/** All resources, by id. JSON. */
export type CloudRecord = Record<string, RecordedResource>;

/** The path of a blob's content, and its hash. */
export interface RecordedAsset {
  readonly hash: string;
  readonly path?: string;
  readonly text?: string;
}

/** `storage:Table` of `azure-native:storage:Table`. */
export const shortType = (type: string): string => type.replace(/^azure-native:/, "");

/** Pulumi's marks for special values on the wire: an asset, a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** Values in stored form: an asset as its hash and path, a secret in plain text. */
export function recordable(value: Properties): Properties {
  return plain(value) as Properties;
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const fields = value as Properties;
  if (fields[SIGNATURE] === SECRET) return plain(fields["value"]);
  if (fields[SIGNATURE] !== undefined) return { asset: recordedAsset(fields) };
  const entries = Object.entries(fields).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries.map(([key, field]) => [key, plain(field)]));
}

/** Programs give no hash. The engine adds it, and gives only the hash when it requests differences. */
function recordedAsset({ hash, path, text }: Properties): RecordedAsset {
  const hashOr = (content: string | Buffer): string =>
    typeof hash === "string" ? hash : createHash("sha256").update(content).digest("hex");
  if (typeof path === "string") return { hash: hashOr(readFileSync(path)), path };
  if (typeof text === "string") return { hash: hashOr(text), text };
  if (typeof hash === "string") return { hash };
  throw new RangeError("An asset has neither a path nor a text. Other kinds cannot be rehearsed.");
}

/** The asset in a recorded value, if it is one. */
export function assetOf(value: unknown): RecordedAsset | undefined {
  return typeof value === "object" && value !== null && "asset" in value ? (value.asset as RecordedAsset) : undefined;
}

export const at = (value: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>((inner, key) => (inner as Properties | undefined)?.[key], value);

export const same = (a: unknown, b: unknown): boolean => JSON.stringify(ordered(a)) === JSON.stringify(ordered(b));

/** Sorts the keys of objects, and reduces an asset to its content. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== "object" || value === null) return value;
  const asset = assetOf(value);
  if (asset !== undefined) return asset.hash;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, ordered(inner)]),
  );
}
