/** Finds free ports of this machine. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

const HOST = "127.0.0.1";

interface Held {
  readonly port: number;
  readonly release: () => Promise<void>;
}

/** Another program listens on the port. */
export class PortTakenError extends Error {
  override readonly name = "PortTakenError";
}

/** Throws PortTakenError, which names the `option` for another port. Port 0 is always free. */
export async function assertFree(port: number, option: string): Promise<void> {
  try {
    const { release } = await hold(port);
    await release();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    const message = `Port ${port} is in use by another program or another npm start. Choose another with ${option}.`;
    throw new PortTakenError(message, { cause: error });
  }
}

/**
 * Below the ports that systems give to connections and to servers that ask for any: those of Linux start at 32768, those of
 * others at 49152. A port from here stays free until the program that it is meant for has started.
 */
const [LOWEST, HIGHEST] = [20_000, 32_767];
const TRIES = 100;

/** Ports that are free now. All are opened at the same time, so that they differ. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held = await Promise.all(Array.from({ length: count }, () => holdAny()));
  await Promise.all(held.map(({ release }) => release()));
  return held.map(({ port }) => port);
}

async function holdAny(): Promise<Held> {
  for (let tries = 1; tries < TRIES; tries++) {
    // A port that is taken, or that the system keeps for itself: another one is as good.
    const held = await hold(randomInt(LOWEST, HIGHEST + 1)).catch(() => undefined);
    if (held !== undefined) return held;
  }
  return hold(0);
}

function hold(port: number): Promise<Held> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, HOST, () => {
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address.port : port;
      resolve({ port: bound, release: () => new Promise((done) => server.close(() => done())) });
    });
  });
}
