/**
 * The claims of this worker on its own disk: what a crashed worker held is known to its successor on the same machine
 * at once, and completely, where the heartbeat knows it only as of some seconds ago. It survives the end of the
 * process, not of the machine; then the broker's locks give the jobs back.
 *
 * One file a boot. A line `+ claimId jobId` is written before the claim, `- claimId` after its message is settled.
 */
import { appendFileSync, closeSync, mkdirSync, openSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

export interface HeldClaim {
  readonly claimId: string;
  readonly jobId: string;
}

export interface ClaimJournal {
  /** Synchronous: when it returns, a crash of this process forgets nothing. */
  begin(claim: HeldClaim): void;
  end(claimId: string): void;
  /** What earlier boots held when they ended. */
  left(): Promise<readonly HeldClaim[]>;
  /** Forgets what earlier boots held: it has been handed back. */
  forgetLeft(): Promise<void>;
  close(): void;
}

const FILE = /^claims-.+\.log$/;

export function openClaimJournal(directory: string, bootId: string): ClaimJournal {
  mkdirSync(directory, { recursive: true });
  const own = `claims-${bootId}.log`;
  const file = openSync(join(directory, own), "a");

  const earlierFiles = async (): Promise<string[]> =>
    (await readdir(directory)).filter((name) => FILE.test(name) && name !== own).map((name) => join(directory, name));

  return {
    begin: ({ claimId, jobId }) => appendFileSync(file, `+ ${claimId} ${jobId}\n`),
    end: (claimId) => appendFileSync(file, `- ${claimId}\n`),
    async left() {
      const texts = await Promise.all((await earlierFiles()).map((path) => readFile(path, "utf8")));
      return texts.flatMap(heldIn);
    },
    async forgetLeft() {
      await Promise.all((await earlierFiles()).map((path) => rm(path, { force: true })));
    },
    close: () => closeSync(file),
  };
}

/** A last line without an end was being written when the process died: its claim had not been made. */
export function heldIn(text: string): HeldClaim[] {
  const held = new Map<string, HeldClaim>();
  for (const line of text.slice(0, text.lastIndexOf("\n") + 1).split("\n")) {
    const [sign, claimId, jobId] = line.split(" ");
    if (sign === "+" && claimId !== undefined && jobId !== undefined) held.set(claimId, { claimId, jobId });
    else if (sign === "-" && claimId !== undefined) held.delete(claimId);
  }
  return [...held.values()];
}
