/** The virtual network: no inbound traffic, and outgoing traffic only in the ways declared here. */
import * as network from "@pulumi/azure-native/network/index.js";
import * as pulumi from "@pulumi/pulumi";
import { lookUp } from "../plan/look-up.ts";
import type { SubnetPlan } from "../plan/subnets.ts";
import type { Place } from "./place.ts";

export interface NetworkArgs {
  readonly place: Place;
  readonly addressSpace: string;
  readonly subnets: SubnetPlan;
  /** `nat`: one gateway for all workers. `instancePublicIp`: a public address for each machine. */
  readonly egress: "nat" | "instancePublicIp";
}

/** Traffic from the subnets to these services stays in Azure, and the services see the subnet it comes from. */
const SERVICE_ENDPOINTS = [
  { service: "Microsoft.Storage" },
  { service: "Microsoft.ServiceBus" },
  { service: "Microsoft.KeyVault" },
];

export class Network extends pulumi.ComponentResource {
  readonly apiSubnetId: pulumi.Output<string>;
  readonly #poolSubnetIds = new Map<string, pulumi.Output<string>>();

  constructor(name: string, args: NetworkArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:Network", name, {}, options);
    const { place, subnets } = args;
    const { resourceGroupName } = place;
    const child = { parent: this };

    const closed = new network.NetworkSecurityGroup(
      `${name}-closed`,
      {
        ...place,
        securityRules: [
          {
            name: "deny-everything-in",
            description: "Workers receive their work. All inbound traffic is blocked, also from their own network.",
            priority: 4096,
            direction: network.SecurityRuleDirection.Inbound,
            access: network.SecurityRuleAccess.Deny,
            protocol: network.SecurityRuleProtocol.Asterisk,
            sourceAddressPrefix: "*",
            sourcePortRange: "*",
            destinationAddressPrefix: "*",
            destinationPortRange: "*",
          },
        ],
      },
      child,
    );
    const virtualNetwork = new network.VirtualNetwork(
      `${name}-vnet`,
      { ...place, addressSpace: { addressPrefixes: [args.addressSpace] } },
      // Subnets are separate resources. A list on the network would remove them.
      { ...child, ignoreChanges: ["subnets"] },
    );
    const gateway = args.egress === "nat" ? this.#natGateway(name, place) : undefined;

    const apiSubnet = new network.Subnet(
      `${name}-api-subnet`,
      {
        resourceGroupName,
        virtualNetworkName: virtualNetwork.name,
        subnetName: "api",
        addressPrefix: subnets.api,
        defaultOutboundAccess: false,
        networkSecurityGroup: { id: closed.id },
        serviceEndpoints: SERVICE_ENDPOINTS,
        delegations: [{ name: "app-service", serviceName: "Microsoft.Web/serverFarms" }],
      },
      child,
    );
    // One at a time: Azure refuses to change two subnets of a network at once.
    let last = apiSubnet;
    for (const [pool, addressPrefix] of subnets.pools) {
      last = new network.Subnet(
        `${name}-pool-${pool}-subnet`,
        {
          resourceGroupName,
          virtualNetworkName: virtualNetwork.name,
          subnetName: `pool-${pool}`,
          addressPrefix,
          defaultOutboundAccess: false,
          networkSecurityGroup: { id: closed.id },
          ...(gateway === undefined ? {} : { natGateway: { id: gateway.id } }),
          serviceEndpoints: SERVICE_ENDPOINTS,
        },
        { ...child, dependsOn: [last] },
      );
      this.#poolSubnetIds.set(pool, last.id);
    }

    this.apiSubnetId = apiSubnet.id;
    this.registerOutputs({ virtualNetworkId: virtualNetwork.id });
  }

  poolSubnetId = (pool: string): pulumi.Output<string> => lookUp(this.#poolSubnetIds, "subnet of pool", pool);

  /** All subnets, for the network rules of storage and Service Bus. */
  get subnetIds(): readonly pulumi.Output<string>[] {
    return [this.apiSubnetId, ...this.#poolSubnetIds.values()];
  }

  #natGateway(name: string, place: Place): network.NatGateway {
    const child = { parent: this };
    const address = new network.PublicIPAddress(
      `${name}-nat-address`,
      {
        ...place,
        sku: { name: network.PublicIPAddressSkuName.Standard },
        publicIPAllocationMethod: network.IPAllocationMethod.Static,
      },
      child,
    );
    return new network.NatGateway(
      `${name}-nat`,
      {
        ...place,
        sku: { name: network.NatGatewaySkuName.Standard },
        publicIpAddresses: [{ id: address.id }],
        idleTimeoutInMinutes: 10,
      },
      child,
    );
  }
}
