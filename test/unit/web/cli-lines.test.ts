import { describe, expect, it } from "vitest";
import { openApiDocument } from "../../../runtime/api/http/openapi.ts";
import { commandsIn, takesValue, wordsOf } from "../../../runtime/cli/command-spec.ts";
import { COMMANDS } from "../../../runtime/cli/specs/commands.ts";
import { CLI_LINES } from "../../../web/pages/docs/cli-lines.ts";
import { apiOperations } from "../../support/api-operations.ts";
import { createContract, type ContractDocument, type JsonSchema } from "../../support/api/contract.ts";

const { document, operations } = createContract(
  JSON.parse(JSON.stringify(openApiDocument(apiOperations))) as ContractDocument,
);
/** The command line has no command for these. */
const WITHOUT = new Set([
  ...[
    "getAuth",
    "getClientJob",
    "getOverview",
    "getPackage",
    "listPackageJobs",
    "getWebhook",
    "getWorker",
    "createEventTicket",
  ],
  // Sets days by outcome, and leaves the others.
  "putRetention",
]);
const commands = [...commandsIn(COMMANDS)].toSorted((a, b) => b.words.length - a.words.length);

describe("the commands that the page of the API names", () => {
  it("are there for every operation, except for those that have none", () => {
    const ids = operations.map(({ operationId }) => operationId);
    expect(ids.filter((id) => !WITHOUT.has(id)).toSorted()).toEqual(Object.keys(CLI_LINES).toSorted());
  });

  it.each(Object.entries(CLI_LINES))("%s: has the command's own words and options", (_, line) => {
    const words = line.replaceAll(/[[\]]/g, "").split(" ");
    const found = commands.find((command) => command.words.every((word, index) => words[index] === word));
    expect(found, "there is no such command").toBeDefined();
    const { spec, words: name } = found!;
    let values = 0;
    for (let at = name.length; at < words.length; at++) {
      const word = words[at]!;
      if (!word.startsWith("-")) {
        values++;
        continue;
      }
      const option = spec.options?.find((one) => wordsOf(one).includes(word));
      expect(option, word).toBeDefined();
      if (takesValue(option!)) at++;
    }
    const taken = spec.arguments ?? [];
    const needed = taken.filter((one) => one.name.startsWith("<")).length;
    expect(values).toBeGreaterThanOrEqual(needed);
    // `events` takes a job or a batch, and a request names one of them.
    if (spec.name !== "events") expect(values).toBeLessThanOrEqual(taken.length);
  });

  it.each(Object.entries(CLI_LINES))("%s: takes its values from the request", (id, line) => {
    const { parameters = [], requestBody } = operations.find(({ operationId }) => operationId === id)!;
    const names = new Set(["file", ...parameters.map(({ name }) => name)]);
    for (const { schema } of Object.values(requestBody?.content ?? {})) addFields(schema, "", names);
    const used = [...line.matchAll(/\{([\w.]+)(?:-zip|,)?\}/g)].map(([, name]) => name!);
    expect(used.filter((name) => !names.has(name))).toEqual([]);
  });
});

function addFields(schema: JsonSchema, above: string, names: Set<string>): void {
  const { $ref } = schema as { readonly $ref?: string };
  const whole = $ref === undefined ? schema : document.components.schemas[$ref.slice($ref.lastIndexOf("/") + 1)]!;
  for (const [name, inner] of Object.entries((whole["properties"] ?? {}) as Record<string, JsonSchema>)) {
    names.add(above + name);
    if (above === "") addFields(inner, `${name}.`, names);
  }
}
