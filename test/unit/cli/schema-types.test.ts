/** TypeScript types from JSON Schemas: they compile, mean what the schema says, and are the same every time. */
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type PublishedPackage, typesOf } from "../../../runtime/cli/schema-types.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { writeFile } from "node:fs/promises";

const NODE = z.object({
  name: z.string().describe("Shown */ to people"),
  get kids() {
    return z.array(NODE);
  },
});
const SCHEMAS = {
  Resize: z.object({
    image: z.string().describe("A file of the package."),
    sizes: z.array(z.int()).default([64]),
    mode: z.enum(["fast", "slow"]).optional(),
    at: z.union([z.string(), z.null()]),
    pair: z.tuple([z.string(), z.number()]),
    tags: z.record(z.string(), z.boolean()),
    "two words": z.literal(7),
  }),
  Tree: NODE,
};

const packageOf = (packageName: string, jobs: PublishedPackage["jobs"]): PublishedPackage => ({
  packageName,
  sha256: "3f9a",
  jobs,
});
const PACKAGES = [
  packageOf("b.zip", [{ jobType: "Plain" }]),
  packageOf("a.zip", [
    { jobType: "Tree", parameters: z.toJSONSchema(SCHEMAS.Tree, { io: "input" }) },
    { jobType: "Resize", parameters: z.toJSONSchema(SCHEMAS.Resize, { io: "input" }), output: { type: "integer" } },
  ]),
];

/** Messages of the compiler for the types and a program beside them. */
async function compile(types: string, program = "export {};"): Promise<readonly string[]> {
  await using folder = await temporaryDirectory();
  await writeFile(join(folder.path, "types.d.ts"), types);
  await writeFile(join(folder.path, "program.ts"), `import type { Packages } from "./types.d.ts";\n${program}`);
  const options: ts.CompilerOptions = {
    ...{ strict: true, noEmit: true, exactOptionalPropertyTypes: true, skipLibCheck: false, types: [] },
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, allowImportingTsExtensions: true },
  };
  const checked = ts.createProgram([join(folder.path, "program.ts"), join(folder.path, "types.d.ts")], options);
  return ts.getPreEmitDiagnostics(checked).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

const USE = `
  type Parameters<T extends { types?: { parameters: unknown } }> = NonNullable<T["types"]>["parameters"];
  export type Resize = Parameters<Packages["a.zip"]["Resize"]>;
  export type Tree = Parameters<Packages["a.zip"]["Tree"]>;`;

describe("types of published jobs", () => {
  it("read as a person would write them", () => {
    expect(typesOf("demo", PACKAGES))
      .toBe(`// Written by jobyard types for the tenant demo. Run it again after packages were published.

/** The jobs of each package: client.job<Packages["<package>"]["<job type>"]>("<job type>"). */
export interface Packages {
  /** Version 3f9a. */
  "a.zip": {
    Resize: { readonly types?: {
      readonly parameters: {
        /** A file of the package. */
        readonly image: string;
        readonly sizes?: readonly number[];
        readonly mode?: "fast" | "slow";
        readonly at: string | null;
        readonly pair: readonly [string, number];
        readonly tags: {
          readonly [name: string]: boolean;
        };
        readonly "two words": 7;
      };
      readonly output: number;
    } };
    Tree: { readonly types?: {
      readonly parameters: {
        /** Shown *\\/ to people */
        readonly name: string;
        readonly kids: readonly Schema1[];
      };
      readonly output: unknown;
    } };
  };
  /** Version 3f9a. */
  "b.zip": {
    Plain: { readonly types?: {
      readonly parameters: unknown;
      readonly output: unknown;
    } };
  };
}

export type Schema1 = {
  /** Shown *\\/ to people */
  readonly name: string;
  readonly kids: readonly Schema1[];
};
`);
  });

  it("accept what the schema accepts and refuse what it refuses", async () => {
    const wrong = [`image: 1`, `mode: "other"`, `pair: ["a"]`, `tags: { x: 1 }`, `unknown: 1`, `at: undefined`];
    const program = [
      USE,
      `const good = { image: "a", at: null, pair: ["a", 1], tags: { x: true }, "two words": 7 } as const;`,
      `export const resize: Resize = good;`,
      `export const tree: Tree = { name: "a", kids: [{ name: "b", kids: [] }] };`,
      ...wrong.map(
        (field, n) => `// @ts-expect-error: ${field}\nexport const wrong${n}: Resize = { ...good, ${field} };`,
      ),
    ];
    expect(await compile(typesOf("demo", PACKAGES), program.join("\n"))).toEqual([]);
  });

  it("are the same in whichever order packages and jobs come", () => {
    const turned = PACKAGES.toReversed().map((one) => ({ ...one, jobs: one.jobs.toReversed() }));
    expect(typesOf("demo", turned)).toBe(typesOf("demo", PACKAGES));
  });

  it("stay types whatever a package says", { tags: "attack/names" }, async () => {
    const nasty = `*/ export const owned = 1; /* "' \` \${1} \u2028 \n`;
    const schema = {
      type: "object",
      description: nasty,
      properties: {
        [nasty]: { const: nasty, description: nasty },
        __proto__x: { $ref: "#/nowhere" },
        loop: { $ref: "#" },
      },
      required: [nasty],
    };
    const types = typesOf(nasty, [
      packageOf(nasty, [{ jobType: nasty, parameters: schema, output: { anyOf: [{ $ref: "#" }] } }]),
    ]);
    expect(await compile(types)).toEqual([]);
    const { statements } = ts.createSourceFile("types.d.ts", types, ts.ScriptTarget.Latest);
    const kinds = new Set(statements.map(({ kind }) => kind));
    expect(kinds).toEqual(new Set([ts.SyntaxKind.InterfaceDeclaration, ts.SyntaxKind.TypeAliasDeclaration]));
  });
});
