/** Ports of this machine. */
import { createServer } from "node:net";

const HOST = "127.0.0.1";

/** Rejects with EADDRINUSE when something else listens there. */
export const assertFree = async (port: number): Promise<void> => void (await bind(port));

/** Ports that nobody listens on right now; held together, so that they differ. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held = await Promise.all(Array.from({ length: count }, () => hold(0)));
  await Promise.all(held.map(({ release }) => release()));
  return held.map(({ port }) => port);
}

async function bind(port: number): Promise<number> {
  const { port: bound, release } = await hold(port);
  await release();
  return bound;
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
