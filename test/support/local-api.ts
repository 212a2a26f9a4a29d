/** The API of a system that `npm start` runs, as somebody who may everything. */
import { join } from "node:path";
import type { BatchView, JobView } from "../../runtime/core/http/views.ts";
import { ADMIN_APPLICATION } from "../../runtime/local/identity/principals.ts";
import { signInAs, type Authorize } from "../../runtime/local/identity/issuer-client.ts";
import type { LocalRun } from "./local-run.ts";

export interface LocalApi {
  readonly url: string;
  /** Of the local issuer. */
  readonly authority: string;
  get<T>(path: string): Promise<T>;
}

/** Signs in at the issuer the API names, once the API is there. */
export async function apiOf(run: LocalRun, home: string): Promise<LocalApi> {
  const [, url = ""] = await run.says(/Running at (http:\S+)/);
  const { authority } = (await (await fetch(`${url}/v1/auth`)).json()) as { authority: string };
  const authorize: Authorize = signInAs(ADMIN_APPLICATION, { authority, caFile: join(home, "identity", "ca.pem") });
  return {
    url,
    authority,
    async get<T>(path: string) {
      const response = await fetch(`${url}/v1${path}`, { headers: { authorization: await authorize() } });
      return (await response.json()) as T;
    },
  };
}

export async function jobsOf(api: LocalApi, batchId: string): Promise<readonly JobView[]> {
  const { items } = await api.get<{ items: JobView[] }>(`/batches/${batchId}/jobs?pageSize=1000`);
  return items;
}

/** How many jobs of the batch run right now. */
export async function runningIn(api: LocalApi, batchId: string): Promise<number> {
  const { counts } = await api.get<BatchView>(`/batches/${batchId}`);
  return counts?.running ?? 0;
}
