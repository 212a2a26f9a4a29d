/**
 * The issuer's signing keys. The newest signs. Older ones stay published until all their tokens have expired. They are
 * stored in a file, so that tokens stay valid after a restart.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, sign, type JsonWebKey } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";
import { readIfThere, writePrivateFile } from "../private-file.ts";

export interface KeyRing {
  /** A JWT of the claims, signed with RS256. */
  sign(claims: Readonly<Record<string, unknown>>): string;
  /** The key set to publish. */
  publicKeys(): readonly PublishedKey[];
  /** Creates a new key and signs with it from now on. */
  rotate(): Promise<void>;
}

export type PublishedKey = JsonWebKey & { readonly kid: string };

/** Several times the life of a token. */
const PUBLISHED_AFTER_ROTATION_MS = 24 * 60 * 60_000;

const STORED_KEYS = z.array(z.object({ privateKey: z.string(), retiredAt: z.number().optional() })).min(1);

interface SigningKey {
  readonly kid: string;
  readonly privateKey: string;
  readonly published: PublishedKey;
  /** When a newer key replaced it, in ms since the epoch. */
  readonly retiredAt?: number | undefined;
}

export async function openKeyRing(directory: string, now: () => number): Promise<KeyRing> {
  const file = join(directory, "signing-keys.json");
  const stored = await readIfThere(file);
  // Sorted newest first.
  let keys = stored === undefined ? [] : STORED_KEYS.parse(JSON.parse(stored)).map(keyOf);

  async function rotate(): Promise<void> {
    const fresh = keyOf({ privateKey: await newPrivateKey() });
    const older = keys.map((key) => ({ ...key, retiredAt: key.retiredAt ?? now() }));
    keys = [fresh, ...older.filter(({ retiredAt }) => now() - retiredAt < PUBLISHED_AFTER_ROTATION_MS)];
    await writePrivateFile(file, JSON.stringify(keys.map(({ privateKey, retiredAt }) => ({ privateKey, retiredAt }))));
  }

  if (keys.length === 0) await rotate();
  return {
    rotate,
    publicKeys: () => keys.map(({ published }) => published),
    sign(claims) {
      const [key] = keys;
      if (key === undefined) throw new Error("The key ring is empty.");
      const head = { typ: "JWT", alg: "RS256", kid: key.kid };
      const text = [head, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
      return `${text}.${sign("RSA-SHA256", Buffer.from(text), key.privateKey).toString("base64url")}`;
    },
  };
}

const generate = promisify(generateKeyPair);

async function newPrivateKey(): Promise<string> {
  const { privateKey } = await generate("rsa", { modulusLength: 2_048 });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

function keyOf({ privateKey, retiredAt }: Pick<SigningKey, "privateKey" | "retiredAt">): SigningKey {
  const publicKey = createPublicKey(createPrivateKey(privateKey)).export({ format: "jwk" });
  const kid = createHash("sha256")
    .update(publicKey.n ?? "")
    .digest("base64url")
    .slice(0, 27);
  return { kid, privateKey, published: { ...publicKey, kid, use: "sig", alg: "RS256" }, retiredAt };
}
