/** The file that remembers who is signed in where: for this user's eyes only. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import * as z from "zod";
import { authFactsSchema } from "../core/http/auth-facts.ts";
import { UsageError } from "./exit-codes.ts";

const signInSchema = z.object({
  version: z.literal(2),
  /** Of the service. */
  url: z.string(),
  /** What the service said of its issuer at the sign-in: secrets go to this one, whatever it says later. */
  facts: authFactsSchema,
  /** The authority as the user has named it. */
  authority: z.string().optional(),
  /** The certificate of a local issuer. */
  caFile: z.string().optional(),
  who: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("nobody") }),
    z.object({ kind: z.literal("application"), clientId: z.string(), clientSecret: z.string() }),
    z.object({ kind: z.literal("user"), refreshToken: z.string().optional() }),
  ]),
  /** The latest, used while it lasts. */
  token: z.object({ token: z.string(), expiresOnTimestamp: z.number() }).optional(),
});

export type SignIn = z.infer<typeof signInSchema>;

export interface SignInFile {
  readonly path: string;
  /** Undefined: nobody is signed in. Throws UsageError for a file that is not ours. */
  read(): Promise<SignIn | undefined>;
  write(signIn: SignIn): Promise<void>;
  /** Whether there was one. */
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
        throw new UsageError(`${path} cannot be read. Sign in anew with: jobyard login`);
      }
    },
    async write(signIn) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      // Complete at every moment, and never readable to others.
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
