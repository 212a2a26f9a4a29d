/** A delivered message that remembers how it was settled, and a queue that remembers what was sent. */
import { bellMessageId, bellOf } from "../../runtime/core/bell.ts";
import type { Job } from "../../runtime/core/job.ts";
import type { Delivery, JobQueue, OutgoingBell, Stored } from "../../runtime/core/ports.ts";

export interface FakeDelivery extends Delivery {
  readonly settled: string[];
  renewals: number;
}

/** The bell of a row, delivered. */
export function deliveryOf({ value: job, etag }: Stored<Job>, fields: Partial<Delivery> = {}): FakeDelivery {
  const settled: string[] = [];
  const settle = (how: string) => (): Promise<void> => {
    settled.push(how);
    return Promise.resolve();
  };
  const delivery: FakeDelivery = {
    parsed: { ok: true, bell: bellOf(job, etag) },
    messageId: bellMessageId(job.jobId, job.ring),
    queue: "jobs-default-normal",
    sequenceNumber: "7",
    deliveryCount: 1,
    lockedUntil: Date.now() + 60_000,
    settled,
    renewals: 0,
    renew: () => {
      delivery.renewals += 1;
      return Promise.resolve(Date.now() + 60_000);
    },
    complete: settle("complete"),
    abandon: settle("abandon"),
    deadLetter: (reason, description) => settle(`dead-letter ${reason}: ${description}`)(),
    ...fields,
  };
  return delivery;
}

export function fakeQueue(): Pick<JobQueue, "send"> & { readonly sent: OutgoingBell[] } {
  const sent: OutgoingBell[] = [];
  return {
    sent,
    send: (_queue, bells) => {
      sent.push(...bells);
      return Promise.resolve();
    },
  };
}
