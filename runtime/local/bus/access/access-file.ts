/**
 * The access list: which issuer's tokens count, and the role assignments. It is a file, so that assignments can change
 * while the bus runs. Every new token makes the bus check whether the file has changed.
 */
import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { JSONWebKeySet } from "jose";
import { z } from "zod";
import { InputFileError, readInputFile } from "../input-file.ts";
import { RIGHTS, type Assignment } from "./rights.ts";

/** The audience for which the Azure SDK requests tokens. */
const SERVICE_BUS_AUDIENCE = "https://servicebus.azure.net";

export type KeySource =
  { readonly kind: "url"; readonly url: string } | { readonly kind: "keys"; readonly keys: JSONWebKeySet };

export interface AccessList {
  /** The `iss` that tokens must have. */
  readonly issuer: string;
  /** The values of `aud` that are accepted, each with no, one or two slashes at its end. */
  readonly audiences: readonly string[];
  readonly keys: KeySource;
  readonly assignments: readonly Assignment[];
}

const text = z.string().min(1);
const keys = z.array(z.looseObject({ kty: text })).min(1);
const keySet = z.looseObject({ keys });

const access = z.strictObject({
  issuer: text,
  audiences: z.array(text).min(1).default([SERVICE_BUS_AUDIENCE]),
  jwks: z
    .strictObject({ url: z.url({ protocol: /^https?$/ }).optional(), file: text.optional(), keys: keys.optional() })
    .refine((jwks) => Object.values(jwks).filter((value) => value !== undefined).length === 1, {
      error: "Exactly one of url, file and keys must be given",
    }),
  assignments: z.array(z.strictObject({ principalId: text, entity: text, rights: z.array(z.enum(RIGHTS)).min(1) })),
});

export interface AccessFileOptions {
  readonly path: string;
  /** Called when a changed file cannot be used, once for each reason. The last good content stays valid. */
  readonly onUnusable: (error: InputFileError) => void;
}

/**
 * Reads the file now. The returned function gives the current content.
 *
 * @throws InputFileError when it cannot be used now.
 */
export function openAccessFile({ path, onUnusable }: AccessFileOptions): () => AccessList {
  const file = resolve(path);
  let current = read(file);
  let told: string | undefined;
  return () => {
    if (current.versions.every(([each, version]) => versionOf(each) === version)) return current.access;
    try {
      current = read(file);
      told = undefined;
    } catch (error) {
      if (!(error instanceof InputFileError)) throw error;
      if (error.message !== told) onUnusable(error);
      told = error.message;
    }
    return current.access;
  };
}

interface ReadFiles {
  readonly access: AccessList;
  /** Of each file, as it was before it was read. */
  readonly versions: readonly (readonly [file: string, version: string])[];
}

function read(file: string): ReadFiles {
  const version = versionOf(file);
  const { jwks, ...rest } = readInputFile("access file", file, access);
  const keyFile = jwks.file === undefined ? [] : [resolve(dirname(file), jwks.file)];
  const versions = [[file, version] as const, ...keyFile.map((each) => [each, versionOf(each)] as const)];
  return { access: { ...rest, keys: keySourceOf(jwks, keyFile[0]) }, versions };
}

function keySourceOf({ url, keys: inline = [] }: z.output<typeof access>["jwks"], file: string | undefined): KeySource {
  if (url !== undefined) return { kind: "url", url };
  return { kind: "keys", keys: file === undefined ? { keys: inline } : readInputFile("key file", file, keySet) };
}

/** Changes with every write, and when another file takes the place of this one. */
function versionOf(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.mtimeNs} ${stat.size}` : "absent";
}
