/** The client that other programs use too, signed in as an application of the local issuer. */
import { readFile } from "node:fs/promises";
import { JobServiceClient } from "../client/index.ts";
import { issuerFetch } from "./identity/issuer-fetch.ts";
import type { LocalApplication } from "./identity/principals.ts";
import type { Stack } from "./stack.ts";

export async function localClient(
  { apiUrl, issuer }: Pick<Stack, "apiUrl" | "issuer">,
  { clientId, secret }: LocalApplication,
): Promise<JobServiceClient> {
  const fetch = issuerFetch(issuer.authority, await readFile(issuer.caFile, "utf8"));
  const client = new JobServiceClient(apiUrl, { fetch });
  await client.authenticate(clientId, secret);
  return client;
}
