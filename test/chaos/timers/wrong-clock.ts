/**
 * Makes the clocks of single programs jump. A file per program sets the jump, and the program reads it several times a
 * second.
 */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

const LOOK_EVERY_MS = 200;
const fileIn = (directory: string, program: string): string => join(directory, `clock-${program}`);

/** 0: corrected. */
export const setClock = (directory: string, program: string, aheadMs: number): Promise<void> =>
  writeFile(fileIn(directory, program), String(aheadMs));

/** Makes this process's `Date` follow its file. The monotonic clock (`performance.now()`) does not change. */
export function followClock(directory: string, program: string): void {
  const file = fileIn(directory, program);
  let aheadMs = 0;
  const look = (): void => {
    try {
      aheadMs = Number(readFileSync(file, "utf8"));
    } catch {
      aheadMs = 0;
    }
  };
  look();
  setInterval(look, LOOK_EVERY_MS).unref();
  const RightDate = globalThis.Date;
  const now = (): number => RightDate.now() + aheadMs;
  globalThis.Date = new Proxy(RightDate, {
    construct: (target, args: unknown[], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
    get: (target, member, receiver) => (member === "now" ? now : (Reflect.get(target, member, receiver) as unknown)),
  });
}
