import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeUtf8, JsonError, parseJson } from "../../../../runtime/core/json.ts";

function problemsOf(source: string | Uint8Array) {
  try {
    parseJson(source);
  } catch (error) {
    expect(error).toBeInstanceOf(JsonError);
    return (error as JsonError).problems;
  }
  return [];
}

const messageOf = (source: string | Uint8Array): string | undefined => problemsOf(source)[0]?.message;

describe("a number in JSON", () => {
  it.each([
    ["9223372036854775807", "9223372036854776000"],
    ["-9223372036854775808", "-9223372036854776000"],
    ["9007199254740993", "9007199254740992"],
    ["1152921504606846976", "1152921504606847000"],
    ["9223372036854775807.0", "9223372036854776000"],
    ["1e400", "null"],
    ["-1e400", "null"],
    ["1e-400", "0"],
    ["12345678901234.567", "12345678901234.566"],
    ["0.3333333333333333333333333333", "0.3333333333333333"],
    [`0.${"0".repeat(400)}1`, "0"],
    [`1${"0".repeat(400)}`, "null"],
  ])("a number in JSON is refused as %s, which would arrive as %s", (source, arrives) => {
    expect(messageOf(source)).toMatch(new RegExp(` would arrive as ${arrives}; send it as text$`));
    expect(messageOf(`{"a":${source}}`)).toBeDefined();
    expect(messageOf(`[1, ${source} ]`)).toBeDefined();
  });

  it.each([
    "9007199254740991",
    "9007199254740992",
    "-0",
    "-0.0",
    "0e999",
    "1e22",
    "100000000000000000000",
    "1.7976931348623157e308",
    "1.7976931348623157E+308",
    "5e-324",
    "4.94065645841247e-324",
    "0.1000000000000000055511151231257827",
    "0.10000000000000001",
    "0.30000000000000004",
    "1.1000000000000000000",
    "1000000000000000000000000e-24",
    `0.${"0".repeat(300)}1`,
  ])("a number in JSON is accepted as %s", (source) => {
    expect(parseJson(`{"a":[${source}]}`)).toEqual({ a: [Number(source)] });
  });

  it("a number in JSON is accepted in every form that a program prints for a double", () => {
    const forms = [
      (value: number) => JSON.stringify(value),
      (value: number) => value.toPrecision(17),
      (value: number) => value.toExponential(),
      (value: number) => value.toPrecision(25),
    ];
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(...forms), (value, form) => {
        const text = form(value);
        // What toPrecision writes without a point is a whole number of more digits than a double has.
        fc.pre(form === forms[0] || !/^-?\d+$/.test(text));
        expect(parseJson(`[${text}]`)).toEqual([Number(text)]);
      }),
    );
  });

  it("a whole number in JSON is refused exactly when it would change", () => {
    fc.assert(
      // Below 1e21, where numbers are written without an exponent.
      fc.property(fc.bigInt({ min: -(2n ** 69n), max: 2n ** 69n }), (value) => {
        expect(problemsOf(`{"n":${value}}`).length === 0).toBe(String(Number(value)) === String(value));
      }),
    );
  });

  it("every refused number in JSON is named by its path", () => {
    const text = '{"a":{"b":[1,{"c d":1e400}]},"":[[99999999999999999]],"ok":"1e400, 9223372036854775807"}';
    expect(problemsOf(text).map(({ target }) => target)).toEqual(["a.b[1].c d", "[0][0]"]);
    expect(() => parseJson(text)).toThrow("holds a.b[1].c d: 1e400 would arrive as null; send it as text (and 1 more)");
  });

  it("at most twenty refused numbers are named, and long ones are cut", () => {
    const problems = problemsOf(JSON.stringify(Array<number>(1_000).fill(0)).replaceAll("0", "9".repeat(500)));
    expect(problems).toHaveLength(20);
    for (const { message } of problems) expect(message.length).toBeLessThan(150);
  });

  it("JSON with a suspect number that is nested too deeply is refused", () => {
    const depth = 200_000;
    expect(messageOf(`${"[".repeat(depth)}1e400${"]".repeat(depth)}`)).toBe("is nested too deeply");
  });
});

describe("a JSON text", () => {
  it("a JSON text may begin with a byte order mark, as bytes and as text", () => {
    const text = '\ufeff{"name":"Größe"}';
    expect(parseJson(text)).toEqual({ name: "Größe" });
    expect(parseJson(Buffer.from(text))).toEqual({ name: "Größe" });
  });

  it.each([
    ["in Latin-1", Buffer.from('{"name":"Größe"}', "latin1"), "is not UTF-8"],
    ["in Windows-1252", Buffer.from([0x22, 0x80, 0x22]), "is not UTF-8"],
    ["with half a character", Buffer.from('"ü').subarray(0, 2), "is not UTF-8"],
    ["with a surrogate in bytes", Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), "is not UTF-8"],
    ["in UTF-16 with a mark", Buffer.from('\ufeff{"a":1}', "utf16le"), "is UTF-16"],
    ["in UTF-16 without a mark", Buffer.from('{"a":1}', "utf16le"), "is UTF-16"],
    ["in UTF-16, high bytes first", Buffer.from('\ufeff{"a":1}', "utf16le").swap16(), "is UTF-16"],
    ["that is no JSON", Buffer.from("{'a':1}"), "is not JSON: "],
    ["that is empty", Buffer.alloc(0), "is not JSON: "],
  ])("a JSON text is refused in words: %s", (_, bytes, message) => {
    expect(messageOf(bytes)).toContain(message);
  });

  it("a JSON text keeps escapes, also of halves of characters", () => {
    expect(parseJson(Buffer.from('"\\ud800"'))).toBe("\ud800");
  });

  it("a JSON text keeps the last value of a repeated name", () => {
    expect(parseJson('{"a":1e400,"a":1}')).toEqual({ a: 1 });
  });
});

it("decodeUtf8 reads text that is not JSON", () => {
  expect(decodeUtf8(Buffer.from("\ufeffa b"))).toBe("a b");
});
