/**
 * The network of a chaos run. Every connection of a worker or of the API to bus and storage goes through a proxy here,
 * which runs for the whole run. A program requests its ports before it starts (`linked-program.ts`).
 */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { LINK, NETWORK_FILE } from "./links.ts";
import { type NetworkFault, type ScheduledFault, SERVICES, type ServiceName } from "./network-faults.ts";

export interface Network extends AsyncDisposable {
  /** The faults of a program's links. */
  readonly inflicted: readonly ScheduledFault[];
  /** Faults under way. */
  readonly pending: number;
  inflict(fault: ScheduledFault): void;
  /** Resolves when no fault is active. */
  done(): Promise<void>;
}

/** Writes its port to a file in `directory`. */
export async function startNetwork(directory: string): Promise<Network> {
  /** By program and service. Storage has two ports, which fail together. */
  const links = new Map<string, Map<number, Promise<TcpProxy>>>();
  const inflicted: ScheduledFault[] = [];
  const pending = new Set<Promise<void>>();
  /** One fault of a link at a time. */
  const lastOf = new Map<string, Promise<void>>();

  function proxyTo(program: string, service: ServiceName, port: number): Promise<TcpProxy> {
    const name = linkName({ program, service });
    const ofLink = links.get(name) ?? new Map<number, Promise<TcpProxy>>();
    links.set(name, ofLink);
    const proxy = ofLink.get(port) ?? TcpProxy.to(port);
    ofLink.set(port, proxy);
    return proxy;
  }

  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://network");
    const service = SERVICES.find((name) => name === searchParams.get(LINK.service));
    const program = searchParams.get(LINK.program);
    const port = Number(searchParams.get(LINK.port));
    if (service === undefined || program === null || !(port > 0)) {
      response.writeHead(400).end();
      return;
    }
    proxyTo(program, service, port).then(
      (proxy) => response.end(String(proxy.port)),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await writeFile(join(directory, NETWORK_FILE), JSON.stringify({ port }));

  async function hurt(scheduled: ScheduledFault): Promise<void> {
    const proxies = await Promise.all([...(links.get(linkName(scheduled))?.values() ?? [])]);
    if (proxies.length === 0) return;
    inflicted.push(scheduled);
    await Promise.all(proxies.map((proxy) => breakFor(proxy, scheduled.fault)));
  }

  return {
    inflicted,
    get pending() {
      return pending.size;
    },
    inflict(fault) {
      const name = linkName(fault);
      const before = lastOf.get(name) ?? Promise.resolve();
      const under = before.then(() => hurt(fault)).finally(() => pending.delete(under));
      pending.add(under);
      lastOf.set(name, under);
    },
    async done() {
      await Promise.all(pending);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      const proxies = await Promise.all([...links.values()].flatMap((ofLink) => [...ofLink.values()]));
      await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
    },
  };
}

const linkName = ({ program, service }: Pick<ScheduledFault, "program" | "service">): string => `${program} ${service}`;

async function breakFor(proxy: TcpProxy, fault: NetworkFault): Promise<void> {
  switch (fault.kind) {
    case "cut":
      proxy.cut();
      return;
    case "blackhole":
      proxy.blackhole(true);
      await pause(fault.forMs);
      // Some data was dropped, so no side may continue with such a connection.
      proxy.cut();
      proxy.blackhole(false);
      return;
    case "stall":
      proxy.stall();
      await pause(fault.forMs);
      proxy.resume();
      return;
    case "slow":
      proxy.delay(fault.byMs);
      await pause(fault.forMs);
      proxy.delay(0);
      return;
    case "late":
      proxy.delay(fault.byMs);
      await pause(fault.forMs);
      proxy.cutClients();
      proxy.delay(0);
  }
}
