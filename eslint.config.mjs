// Strict, typed linting. The few switches below each say why.
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/node_modules/**", "**/dist/**", ".jobyard/**", "coverage/**"] },
  {
    files: ["**/*.{ts,tsx}"],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // A number in a template is a number in a message; everything else must be converted on purpose.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // Index signatures are read with brackets and named properties with dots; TypeScript itself decides which.
      "@typescript-eslint/dot-notation": "off",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", ignoreRestSiblings: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: false }],
      "@typescript-eslint/consistent-type-imports": "error",
      "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
      eqeqeq: "error",
      // Settings are parsed once, in runtime/core/settings, from an object handed in by a composition root.
      "no-restricted-properties": [
        "error",
        {
          object: "process",
          property: "env",
          message: "Only runtime/main reads the environment (core/settings parses it).",
        },
      ],
      "no-console": "error",
    },
  },
  {
    // Composition roots, command-line tools and test support are where environment and terminal belong.
    files: [
      "runtime/main/**/*.ts",
      "runtime/cli/**/*.ts",
      "runtime/local/bus/cli.ts",
      "runtime/local/bus/test/**/*.ts",
      "infra/tools/**/*.ts",
      "infra/rehearsal/**/*.ts",
      "infra/simulation/main.ts",
      "web/build/**/*.ts",
      "test/**/*.ts",
      "bench/**/*.ts",
      "docs/samples/**/*.ts",
      "*.config.ts",
    ],
    rules: { "no-restricted-properties": "off", "no-console": "off" },
  },
  {
    files: ["test/**/*.ts", "runtime/local/bus/test/**/*.ts", "packages{,-sample}/**/*.test.ts"],
    rules: {
      "no-restricted-properties": [
        "error",
        ...["waitFor", "waitUntil"].map((property) => ({
          object: "vi",
          property,
          message: "A busy machine takes longer than its second: use test/support/eventually.ts.",
        })),
      ],
      // Tables of cases: a case for each operation and status, a sample for each format.
      "max-lines": ["error", { max: 500, skipBlankLines: true, skipComments: true }],
      // Tests index into what they have just counted.
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
  { files: ["test/support/eventually.ts"], rules: { "no-restricted-properties": "off" } },
);
