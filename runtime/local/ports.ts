/** Ports of this machine. */
import { createServer } from "node:net";

const HOST = "127.0.0.1";

/** Rejects with EADDRINUSE when something else listens there. */
export async function assertFree(port: number): Promise<void> {
  const { release } = await hold(port);
  await release();
}

/** Ports that nobody listens on right now; held together, so that they differ. */
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
