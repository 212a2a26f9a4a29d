import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { readKeys } from "../../../../runtime/cli/dev/keys.ts";
import { eventually } from "../../../support/eventually.ts";

describe("keys", () => {
  it("are letters, from a line of another program too, and none after the end", async () => {
    const input = new PassThrough();
    const seen: string[] = [];
    const keys = readKeys({ input }, (key) => seen.push(key));
    input.write("r\nQ\n 1\n");
    await eventually(() => expect(seen).toEqual(["r", "q"]));
    keys.close();
    expect(input.listenerCount("data")).toBe(0);
    expect(input.isPaused()).toBe(true);
  });

  it("come one by one from a terminal, which is as before afterwards", async () => {
    const modes: boolean[] = [];
    const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (on: boolean) => modes.push(on) });
    const seen: string[] = [];
    const keys = readKeys({ input }, (key) => seen.push(key));
    input.write("r");
    await eventually(() => expect(seen).toEqual(["r"]));
    keys.close();
    expect(modes).toEqual([true, false]);
  });
});
