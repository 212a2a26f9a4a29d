/** Finds free ports of this machine. */
import { createServer } from "node:net";

const HOST = "127.0.0.1";

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

/** Ports that are free now. All are opened at the same time, so that they differ. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held = await Promise.all(Array.from({ length: count }, () => hold(0)));
  await Promise.all(held.map(({ release }) => release()));
  return held.map(({ port }) => port);
}

function hold(port: number): Promise<{ port: number; release: () => Promise<void> }> {
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
