/** Where a worker on a scale set answers how it is. The health extension of the machine asks there. */
export const WORKER_HEALTH = { port: 8081, path: "/health" } as const;
