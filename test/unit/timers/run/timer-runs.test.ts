import { describe, expect, it } from "vitest";
import { createBatchCompletion } from "../../../../runtime/lifecycle/batch-completion.ts";
import { scheduleHashOf, tickJobId } from "../../../../runtime/core/timer/timer.ts";
import { createTimerRuns } from "../../../../runtime/timers/run/timer-runs.ts";
import { jobOf, timerOf } from "../../../support/builders.ts";
import { fakeQueue } from "../../../support/bus/fake-delivery.ts";
import { createMemoryStores } from "../../../support/stores/memory-stores.ts";
import { silentEvents } from "../../../support/silent.ts";

function setUp() {
  const now = (): Date => new Date("2026-03-01T09:00:00Z");
  const shared = { ...createMemoryStores(), queue: fakeQueue(), events: silentEvents, pool: "default", now };
  const { admission } = createTimerRuns({ ...shared, completion: createBatchCompletion(shared) });
  const begun: string[] = [];
  /** A claim that goes on until it is ended by hand. */
  const claim = (name: string, jobId: string) => {
    const end = Promise.withResolvers<string>();
    const over = admission.inTurn(jobId, () => {
      begun.push(name);
      return end.promise;
    });
    return { end, over };
  };
  return { begun, claim };
}

const timer = timerOf();
const idOf = (minute: number, of = timer): string =>
  tickJobId(of, new Date(Date.UTC(2026, 2, 1, 9, minute)), scheduleHashOf(of));

describe("claims of runs that come together", () => {
  it("go one at a time for one timer, in the order of their messages", async () => {
    const { begun, claim } = setUp();
    const [first, second, third] = [
      claim("first", idOf(1)),
      claim("second", idOf(2)),
      claim("third", idOf(3)),
    ] as const;
    expect(begun).toEqual(["first"]);
    first.end.resolve("claimed");
    expect(await first.over).toBe("claimed");
    await expect.poll(() => begun).toEqual(["first", "second"]);
    second.end.reject(new Error("away"));
    await expect(second.over).rejects.toThrow("away");
    await expect.poll(() => begun).toEqual(["first", "second", "third"]);
    third.end.resolve("waits");
    await third.over;
  });

  it("do not wait for other timers, or for jobs of other batches", () => {
    const { begun, claim } = setUp();
    claim("run", idOf(1));
    claim("run of another timer", idOf(1, timerOf({ timerName: "Another" })));
    claim("job", jobOf().jobId);
    expect(begun).toEqual(["run", "run of another timer", "job"]);
  });
});
