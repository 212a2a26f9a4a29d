// Role assignments as Azure Service Bus applies them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entityOf, isAllowed, RIGHTS, type Assignment, type Right } from "../../access/rights.ts";

const may = (assignment: Omit<Assignment, "principalId">, right: Right, path: string): boolean =>
  isAllowed([{ principalId: "p", ...assignment }], { principalId: "p", right, path });

describe("a role assignment", () => {
  test.each<[Right, Right[]]>([
    ["send", ["send"]],
    ["listen", ["listen"]],
    ["manage", ["send", "listen", "manage"]],
  ])("of %s gives %j and nothing else", (given, expected) => {
    expect(RIGHTS.filter((right) => may({ entity: "q", rights: [given] }, right, "q"))).toEqual(expected);
  });

  test.each([
    ["q", "q"],
    ["Q", "q"],
    ["q", "q/$DeadLetterQueue"],
    ["q", "q/$Transfer/$DeadLetterQueue"],
    ["q", "q/$management"],
    ["q", "q/$DeadLetterQueue/$management"],
    ["t", "t/Subscriptions/s"],
    ["t", "t/subscriptions"],
    ["t", "t/Subscriptions/s/$DeadLetterQueue"],
    ["t/subscriptions/s", "t/Subscriptions/S"],
    ["t/subscriptions/s", "t/Subscriptions/s/Rules/$Default"],
    ["t/subscriptions/s", "t/Subscriptions/s/$management"],
    ["*", "anything"],
    ["*", "$Resources/queues"],
  ])("on %s covers %s", (entity, path) => {
    expect(may({ entity, rights: ["listen"] }, "listen", path)).toBe(true);
  });

  test.each([
    ["q", "q2"],
    ["q", "q/below"],
    ["q2", "q"],
    ["t/subscriptions/s", "t"],
    ["t/subscriptions/s", "t/subscriptions/s2"],
    ["t/subscriptions/s", "t/subscriptions"],
    ["t", "t2/subscriptions/t"],
    ["q", "$Resources/queues"],
    ["q", "$namespaceinfo"],
    ["q", ""],
  ])("on %s does not cover %s", (entity, path) => {
    expect(may({ entity, rights: ["manage"] }, "listen", path)).toBe(false);
  });

  test("applies to its principal only, whose id is compared without regard to case", () => {
    const assignments: Assignment[] = [{ principalId: "ABC", entity: "*", rights: ["send"] }];
    expect(isAllowed(assignments, { principalId: "abc", right: "send", path: "q" })).toBe(true);
    expect(isAllowed(assignments, { principalId: "abcd", right: "send", path: "q" })).toBe(false);
    expect(isAllowed([], { principalId: "abc", right: "send", path: "q" })).toBe(false);
  });

  test("only adds to the rights of other assignments", () => {
    const part = fc.constantFrom("a", "b", "*", "a/subscriptions/b", "a/b");
    const assignment = fc.record({
      principalId: fc.constantFrom("p", "other"),
      entity: part,
      rights: fc.subarray([...RIGHTS]),
    });
    const question = fc.record({
      principalId: fc.constant("p"),
      right: fc.constantFrom(...RIGHTS),
      path: fc.constantFrom("a", "b", "a/b", "a/Subscriptions/b", "a/Subscriptions/b/$management"),
    });
    fc.assert(
      fc.property(fc.array(assignment), assignment, question, (some, more, asked) => {
        if (isAllowed(some, asked)) expect(isAllowed([...some, more], asked)).toBe(true);
        expect(isAllowed([...some, more], asked)).toBe(isAllowed(some, asked) || isAllowed([more], asked));
      }),
    );
  });
});

test("the entity of a path is what an assignment names", () => {
  expect(entityOf("/Orders/$DeadLetterQueue/$management")).toBe("Orders");
  expect(entityOf("t/Subscriptions/s/Rules/r")).toBe("t/Subscriptions/s");
  expect(entityOf("$Resources/topics")).toBe("$Resources/topics");
});
