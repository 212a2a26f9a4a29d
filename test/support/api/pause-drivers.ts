/** For each operation on pauses and weights the requests for the statuses that depend on what it does, by status. */
import { PAUSED_TYPES_MAX_COUNT } from "../../../runtime/core/limits.ts";
import { freshTenant } from "../stores/test-storage.ts";
import type { TestApi } from "./test-api.ts";
import { type WireRequest, del, get, put as putText } from "./wire.ts";

type Driver = () => WireRequest | Promise<WireRequest>;

const put = (path: string, body: object): WireRequest => putText(path, JSON.stringify(body));

const WHY = { reason: "The mail server is being moved." };
const tenantOf = (tenantName: string): string => `/v1/tenants/${tenantName}`;
const POOL = "/v1/pools/default";
const QUEUE = `${POOL}/queues/low`;

/** Callers must not be allowed the tenant `foreign`. */
export function pauseDrivers(api: TestApi): Readonly<Record<string, Readonly<Record<number, Driver>>>> {
  async function paused(what: string): Promise<string> {
    await api.put(`${what}/pause`, WHY);
    return `${what}/pause`;
  }

  return {
    listPauses: {
      200: async () => {
        await paused(tenantOf(freshTenant()));
        await paused(POOL);
        return get("/v1/pauses");
      },
    },
    pauseTenant: {
      200: () => put(`${tenantOf(freshTenant())}/pause`, WHY),
      404: () => put(`${tenantOf("foreign")}/pause`, WHY),
    },
    resumeTenant: {
      204: async () => del(await paused(tenantOf(freshTenant()))),
      404: () => del(`${tenantOf(freshTenant())}/pause`),
    },
    pauseType: {
      200: () => put(`${tenantOf(freshTenant())}/types/Order%20%2F7/pause`, WHY),
      404: () => put(`${tenantOf("foreign")}/types/Order/pause`, WHY),
      409: async () => {
        const tenant = tenantOf(freshTenant());
        for (let i = 0; i < PAUSED_TYPES_MAX_COUNT; i++) await paused(`${tenant}/types/Type-${i}`);
        return put(`${tenant}/types/One-more/pause`, WHY);
      },
    },
    resumeType: {
      204: async () => del(await paused(`${tenantOf(freshTenant())}/types/Order%20%2F7`)),
      404: () => del(`${tenantOf(freshTenant())}/types/Order/pause`),
    },
    pausePool: {
      200: () => put(`${POOL}/pause`, WHY),
    },
    resumePool: {
      204: async () => del(await paused(POOL)),
      404: () => del("/v1/pools/other/pause"),
    },
    pauseQueue: {
      200: () => put(`${QUEUE}/pause`, WHY),
    },
    resumeQueue: {
      204: async () => del(await paused(QUEUE)),
      404: () => del("/v1/pools/other/queues/low/pause"),
    },
    putWeight: {
      200: async () => {
        const tenant = tenantOf(freshTenant());
        await api.put(tenant);
        return put(`${tenant}/weight`, { weight: 3 });
      },
      404: () => put(`${tenantOf(freshTenant())}/weight`, { weight: 3 }),
    },
  };
}
