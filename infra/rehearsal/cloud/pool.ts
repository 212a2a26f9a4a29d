/** A scale set: its machines, numbered as in Azure, and how it grows and shrinks. */
import { join } from "node:path";
import { gatewayOf, memberAddress } from "./addresses.ts";
import type { Cloud } from "./cloud.ts";
import type { Estate, RecordedScaleSet } from "./estate.ts";
import { bootMachine, type Machine, type NodeSource } from "./machine.ts";
import type { Instance } from "./metadata-service.ts";

export interface PoolMachine {
  readonly number: number;
  readonly machine: Machine;
  readonly instance: Instance;
  /** The worker's own name. */
  readonly workerId: string;
}

export interface Pool {
  /** Oldest first. */
  readonly machines: readonly PoolMachine[];
  /** Starts one more. Resolves when it is booting. */
  add(): Promise<PoolMachine>;
  /**
   * Announces the end, waits for the machine's approval, and removes it. Resolves with whether the machine approved.
   */
  terminate(machine: PoolMachine): Promise<boolean>;
  stop(): Promise<void>;
}

export interface PoolDeps {
  readonly cloud: Pick<Cloud, "instances" | "metadata">;
  readonly estate: () => Pick<Estate, "scaleSets" | "subnets">;
  readonly layers: readonly string[];
  readonly folder: string;
  readonly node: NodeSource;
}

/** The time for a machine to answer the notice. Azure gives the configured minutes, but jobs here take seconds. */
const NOTICE_MS = 60_000;
/** The time for a machine to power off before it is killed. */
const POWER_OFF_MS = 20_000;

export function createPool({ cloud, estate, layers, folder, node }: PoolDeps): Pool {
  let machines: readonly PoolMachine[] = [];
  let next = 0;
  const scaleSet = (): RecordedScaleSet => {
    const [first] = estate().scaleSets;
    if (first === undefined) throw new RangeError("The record has no scale set.");
    return first;
  };

  async function remove(gone: PoolMachine): Promise<void> {
    await gone.machine.stop(POWER_OFF_MS);
    machines = machines.filter((other) => other !== gone);
    for (const [address, instance] of cloud.instances) if (instance === gone.instance) cloud.instances.delete(address);
  }

  return {
    get machines() {
      return machines;
    },
    async add() {
      const { id, name, vmSize, customData, identityIds, subnetId } = scaleSet();
      const number = next++;
      const prefix = estate().subnets.get(subnetId) ?? "";
      const address = memberAddress(prefix, number);
      const instance: Instance = {
        name: `${name}_${number}`,
        resourceId: `${id}/virtualMachines/${number}`,
        scaleSetName: name,
        vmSize,
        identityIds,
      };
      cloud.instances.set(address, instance);
      const { address: gateway, bits } = gatewayOf(prefix);
      const machine = await bootMachine({
        name: `vm${number}`,
        address: `${address}/${bits}`,
        gateway,
        customData,
        layers,
        folder: join(folder, `vm${number}`),
        node,
      });
      const member = { number, machine, instance, workerId: instance.name.replaceAll(/[^A-Za-z0-9]/g, "-") };
      machines = [...machines, member];
      return member;
    },
    async terminate(member) {
      const approved = await cloud.metadata.announceEnd(member.instance.name, NOTICE_MS);
      await remove(member);
      return approved;
    },
    async stop() {
      await Promise.all(machines.map(remove));
    },
  };
}
