/** The file with the current sign-in. Only its user can read it. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import * as z from "zod";
import { authFactsSchema } from "../core/http/auth-facts.ts";
import { UsageError } from "./exit-codes.ts";

const signInSchema = z.object({
  version: z.literal(2),
  /** The service's address. */
  url: z.string(),
  /** The service's data about its issuer at the sign-in. Secrets are sent only to this issuer. */
  facts: authFactsSchema,
  /** The authority that the user named. */
  authority: z.string().optional(),
  /** The certificate of a local issuer. */
  caFile: z.string().optional(),
  who: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("nobody") }),
    z.object({ kind: z.literal("application"), clientId: z.string(), clientSecret: z.string() }),
    z.object({ kind: z.literal("user"), refreshToken: z.string().optional() }),
  ]),
  /** The latest token, used until it expires. */
  token: z.object({ token: z.string(), expiresOnTimestamp: z.number() }).optional(),
});

export type SignIn = z.infer<typeof signInSchema>;

export interface SignInFile {
  readonly path: string;
  /** Undefined: not signed in. Throws UsageError for an invalid file. */
  read(): Promise<SignIn | undefined>;
  write(signIn: SignIn): Promise<void>;
  /** Whether the file existed. */
  remove(): Promise<boolean>;
}

export function signInFile(env: Readonly<Record<string, string | undefined>>): SignInFile {
  const { XDG_CONFIG_HOME: configuration, HOME: home = homedir() } = env;
  const directory = configuration ? join(configuration, "jobyard") : join(home, ".jobyard");
  const path = join(directory, "sign-in.json");

  async function text(): Promise<string | undefined> {
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  return {
    path,
    async read() {
      const found = await text();
      if (found === undefined) return undefined;
      try {
        return signInSchema.parse(JSON.parse(found));
      } catch {
        throw new UsageError(`${path} cannot be read. Sign in again with: jobyard login`);
      }
    },
    async write(signIn) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      // Written atomically, and never readable by others.
      const half = `${path}.${randomBytes(4).toString("hex")}`;
      await writeFile(half, `${JSON.stringify(signIn, null, 2)}\n`, { mode: 0o600 });
      await rename(half, path);
    },
    async remove() {
      const wasThere = (await text()) !== undefined;
      await rm(path, { force: true });
      return wasThere;
    },
  };
}
