import { expect, it } from "vitest";
import { JobCanceledError, UnavailableError } from "../../../../runtime/core/errors.ts";
import { jobRunner } from "./job-runner.ts";

const SIGNALS = [
  ["a cancel", "cancelWanted", { kind: "canceled" }],
  ["the end of the worker", "drain", { kind: "interrupted", because: "drain" }],
] as const;

for (const [what, signal, outcome] of SIGNALS) {
  it(`${what} ends an attempt that waits for a service before its process starts`, async () => {
    const end = new AbortController();
    // Away for ever; the signal fires at the second try.
    let tries = 0;
    const acquire = (): Promise<never> => {
      if (++tries === 2) end.abort(new JobCanceledError());
      return Promise.reject(new UnavailableError("StorageUnavailable", "The package store does not answer."));
    };
    const { execution } = await jobRunner("/nowhere")(() => Promise.reject(new Error("The process was started.")), {
      [signal]: end.signal,
      deps: { packages: { acquire } },
    });
    expect(execution).toMatchObject(outcome);
    expect(tries).toBe(2);
  });
}
