/** Lets every client of this process reach this machine without a proxy, also if the environment sets one. */
export function keepLoopbackDirect(): void;
