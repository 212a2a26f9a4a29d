/**
 * The directories for jobs of a shared process. Most of its jobs never ask for theirs, so a job gets those that an earlier
 * one has left unused. Jobs of the process trust each other; a worker does not have to look whether they are empty.
 */
import type { Workspace, Workspaces } from "../files/workspace.ts";
import type { UserLease } from "../os/job-user.ts";

export interface SpareDirectories {
  /** Made for the user of the process. */
  take(lease: UserLease): Promise<Workspace>;
  /** Back from a job that has not asked for them. Never rejects. */
  give(workspace: Workspace): Promise<void>;
  /** Removes what is here, and what is given later. What resists is left for the next sweep. */
  close(): Promise<void>;
}

export function createSpareDirectories(workspaces: Pick<Workspaces, "create">): SpareDirectories {
  const spares: Workspace[] = [];
  let closed = false;
  const remove = (workspace: Workspace): Promise<void> => workspace.remove().catch(() => undefined);

  return {
    async take(lease) {
      const spare = spares.pop();
      if (spare !== undefined) return spare;
      const made = await workspaces.create();
      try {
        await made.handOver(lease);
        return made;
      } catch (error) {
        await remove(made);
        throw error;
      }
    },
    async give(workspace) {
      if (closed) await remove(workspace);
      else spares.push(workspace);
    },
    async close() {
      closed = true;
      await Promise.all(spares.splice(0).map(remove));
    },
  };
}
