/** A child host with a copy of a package: how it starts and how it ends. shared-child.ts decides about its jobs. */
import { captureOutput } from "../log/captured-output.ts";
import type { ChildPool } from "../module/child-pool.ts";
import { sharedChildEnvironment } from "../environment.ts";
import type { HostCommand } from "../host/messages.ts";
import { type ControlListener, endHostChild, type HostChild } from "../module/host-child.ts";
import type { UserLease } from "../os/job-user.ts";
import type { ProcessTree } from "../os/process-tree.ts";
import { PIPE_GRACE_MS } from "../process-limits.ts";
import { type Failed, crashed, createHeapErrorReader, within } from "../run.ts";
import type { SharedPackage } from "../spec.ts";
import type { Workspaces } from "../files/workspace.ts";

export interface WarmHostRequest {
  readonly shared: SharedPackage;
  readonly tenantName: string;
  readonly packageName: string;
}

export interface WarmHostDeps {
  readonly children: Pick<ChildPool, "take">;
  readonly workspaces: Pick<Workspaces, "create">;
  readonly listener: ControlListener & {
    /** What the process prints by itself, and not as a report about a job. */
    readonly line: (source: "out" | "err", line: Buffer) => void;
    readonly exit: () => void;
  };
}

export interface WarmHost {
  readonly pid: number;
  readonly tree: ProcessTree;
  readonly packagePath: string;
  readonly lease: UserLease;
  readonly send: (command: HostCommand) => void;
  /** Ends it. Resolves when nothing of it runs and all its reports were read, to what its exit means for its only job. */
  clear(): Promise<Failed>;
  /** Removes its directory, afterwards. What resists is left for the next sweep. */
  remove(): Promise<void>;
}

/** Throws LaunchError, what copying the package throws, or the signal's reason; nothing is left then. */
export async function openWarmHost(
  request: WarmHostRequest,
  { children, workspaces, listener }: WarmHostDeps,
  signal: AbortSignal,
): Promise<WarmHost> {
  const home = await workspaces.create();
  const remove = (): Promise<void> => home.remove().catch(() => undefined);
  let child: HostChild | undefined;
  try {
    await request.shared.copyTo(home.packagePath, signal);
    child = await children.take(signal);
    const { process, channel, listen } = child;
    await home.handOver(process.lease);
    signal.throwIfAborted();
    const heap = createHeapErrorReader();
    listen(listener);
    const printed = captureOutput(process, {
      line(source, line) {
        if (source === "err") heap.read(line);
        listener.line(source, line);
      },
      printed: () => undefined,
    });
    void process.exit.then(() => listener.exit());
    channel.send({
      type: "share",
      workingPath: home.workingPath,
      environment: sharedChildEnvironment(request, home),
    });
    return {
      pid: process.pid,
      tree: process.tree,
      packagePath: home.packagePath,
      lease: process.lease,
      send: (command) => channel.send(command),
      async clear() {
        await process.clear();
        await within(PIPE_GRACE_MS, Promise.all([printed, channel.closed]));
        channel.destroy();
        process.closePipes();
        const exit = await process.exit;
        return heap.exhausted(exit) ?? crashed(exit);
      },
      remove,
    };
  } catch (error) {
    if (child !== undefined) await endHostChild(child);
    await remove();
    throw error;
  }
}
