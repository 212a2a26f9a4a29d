import type { ProgramStatus, Programs } from "../../../runtime/core/ports/programs.ts";

export const TEST_PROGRAM: ProgramStatus = {
  ...({ name: "worker-1", state: "running", restartCount: 2 } as const),
  startedAt: new Date("2026-11-02T08:00:00.000Z"),
};

export const TEST_CONSOLE = '{"msg":"started"}\nŻółw\n';

/** One program, which notes how often it was asked to restart. */
export function testPrograms(): Programs & { readonly restarts: readonly string[] } {
  const restarts: string[] = [];
  const isKnown = (name: string): boolean => name === TEST_PROGRAM.name;
  return {
    restarts,
    list: () => [TEST_PROGRAM],
    openConsole: (name) => Promise.resolve(isKnown(name) ? new Blob([TEST_CONSOLE]).stream() : undefined),
    restart(name) {
      if (isKnown(name)) restarts.push(name);
      return isKnown(name);
    },
  };
}
