/** Makes every client of this process reach this machine without a proxy, whatever the environment says. */
export function keepLoopbackDirect(): void;
