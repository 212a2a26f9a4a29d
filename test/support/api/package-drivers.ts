/** For each operation on packages the requests for the statuses that depend on what it does, by status. */
import { createHash } from "node:crypto";
import { PACKAGE_MAX_BYTES } from "../../../runtime/core/limits.ts";
import { testPackage } from "../packages/test-package.ts";
import { freshTenant } from "../stores/test-storage.ts";
import type { registrationDrivers } from "./registration-drivers.ts";
import type { TestApi } from "./test-api.ts";
import { type WireRequest, del, get, post, put } from "./wire.ts";

type Driver = () => WireRequest | Promise<WireRequest>;

export const ECHO = testPackage({ jobs: { Echo: "return {};" } });
export const packagePath = (tenantName: string): string => `/v1/tenants/${tenantName}/packages/echo.zip`;

const putZip = (path: string, zip: Uint8Array): WireRequest => put(path, zip, "application/zip");

/** Callers must not be allowed the tenant `foreign`. */
export function packageDrivers(
  api: TestApi,
  registration: Pick<ReturnType<typeof registrationDrivers>, "crowdedOut" | "restoring">,
): Readonly<Record<string, Readonly<Record<number, Driver>>>> {
  /** The path of a package with an older version, and that version. */
  async function publishedTwice(): Promise<{ readonly path: string; readonly older: string }> {
    const path = packagePath(freshTenant());
    await api.put(path, ECHO);
    await api.put(path, testPackage({ jobs: { Echo: "return { output: 2 };" } }));
    return { path, older: createHash("sha256").update(ECHO).digest("hex") };
  }
  const published = async (): Promise<string> => (await publishedTwice()).path;

  return {
    listPackages: {
      200: async () => {
        const tenantName = freshTenant();
        for (const name of ["a.zip", "b.zip"]) await api.put(`/v1/tenants/${tenantName}/packages/${name}`, ECHO);
        return get(`/v1/tenants/${tenantName}/packages?pageSize=1`);
      },
    },
    getPackage: {
      200: async () => get(await published()),
      404: () => get(packagePath(freshTenant())),
    },
    putPackage: {
      200: () => putZip(packagePath(freshTenant()), ECHO),
      404: () => putZip(packagePath("foreign"), ECHO),
      409: () => putZip(packagePath(freshTenant()), registration.crowdedOut()),
      413: () => ({
        method: "PUT",
        path: packagePath(freshTenant()),
        headers: { "content-type": "application/zip" },
        announcedBytes: PACKAGE_MAX_BYTES + 1,
      }),
      422: () => putZip(packagePath(freshTenant()), ECHO.subarray(0, 100)),
    },
    deletePackage: {
      204: async () => del(await published()),
      404: () => del(packagePath(freshTenant())),
    },
    listPackageJobs: {
      200: async () => get(`${await published()}/jobs`),
      404: () => get(`${packagePath(freshTenant())}/jobs`),
    },
    listPackageVersions: {
      200: async () => get(`${await published()}/versions`),
      404: () => get(`${packagePath(freshTenant())}/versions`),
    },
    restorePackageVersion: {
      200: async () => {
        const { path, older } = await publishedTwice();
        return post(`${path}/versions/${older}/restore`);
      },
      404: async () => post(`${await published()}/versions/${"0".repeat(64)}/restore`),
      409: async () => post(await registration.restoring(api.packages, "crowd")),
      422: async () => post(await registration.restoring(api.packages, "pool")),
    },
  };
}
