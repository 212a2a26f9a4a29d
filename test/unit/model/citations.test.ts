import { describe, expect, it } from "vitest";
import { citationFaults } from "../../model/citations.ts";

/** Not written out: this file is read by `npm run rules`, too. */
const [FIRST, SECOND, UNKNOWN] = [1, 2, 99].map((number) => `R${number}`) as [string, string, string];
const STEP = "step";

const document = {
  path: "protocol.md",
  text: [
    `### ${FIRST} The ring is never used again`,
    `### ${SECOND} A message proves it`,
    "| step | name   |",
    "| 1    | submit |",
    "| 2    | claim  |",
    "| 3    | end    |",
    "| 3'   | cancel |",
  ].join("\n"),
};
const CITED = `// ${FIRST}, ${SECOND}; ${STEP}s 1 to 3 and 3' of the protocol`;
const faultsOf = (text: string, path = "runtime/core/bell.ts") => citationFaults(document, [{ path, text }]);

describe("the check of cited rules", () => {
  it("has no complaint when code and document agree", () => {
    expect(faultsOf(CITED)).toEqual([]);
  });

  it("names file and line of a rule that the document does not define", () => {
    expect(faultsOf(`${CITED}\n\n/** ${UNKNOWN}: nowhere. */`)).toEqual([
      `runtime/core/bell.ts:3: ${UNKNOWN} is not defined in protocol.md.`,
    ]);
  });

  it("names file and line of a step that the document does not define", () => {
    expect(faultsOf(`${CITED}\n/** ${STEP}s 3, 4 and 5 of the protocol */`)).toEqual([
      "runtime/core/bell.ts:2: step 4 is not defined in protocol.md.",
      "runtime/core/bell.ts:2: step 5 is not defined in protocol.md.",
    ]);
  });

  it("names the line of a rule and of a step that no code cites", () => {
    expect(faultsOf(`// ${FIRST}; ${STEP}s 1, 2 and 3`)).toEqual([
      `protocol.md:2: neither runtime nor test/model cites ${SECOND}.`,
      "protocol.md:7: neither runtime nor test/model cites step 3'.",
    ]);
  });

  it("does not count a citation in a test as one in the code", () => {
    expect(faultsOf(CITED, "test/unit/core/bell.test.ts")).toHaveLength(6);
    expect(faultsOf(CITED, "test/model/job/protocol.ts")).toEqual([]);
  });

  it("ignores paper sizes, escapes in URLs, and steps outside comments", () => {
    expect(faultsOf(`${CITED}\nuse({ size: "A4" }, "%E0%A4%A", "${STEP} 10");`)).toEqual([]);
  });
});
