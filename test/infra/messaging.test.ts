import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { Messaging } from "../../infra/components/messaging.ts";
import { busTopology } from "../../runtime/core/deployment/topology.ts";
import type { BusTopology } from "../../runtime/core/deployment/service-bus.ts";
import { mockedCloud, type MockedResource } from "../support/infra/mocked-stack.ts";

const place = { resourceGroupName: "group", location: "westeurope", tags: {} };

const TOPOLOGY: BusTopology = {
  queues: busTopology(["default"]).queues,
  topics: [
    {
      name: "timers",
      duplicateWindowMs: 600_000,
      subscriptions: [
        {
          name: "nightly",
          forwardTo: "jobs-default-normal",
          rules: [{ name: "listener", filter: { kind: "correlation", properties: { Listener: "nightly" } } }],
        },
        {
          name: "two-rules",
          rules: [
            { name: "first", filter: { kind: "sql", expression: "a = 1" } },
            { name: "second", filter: { kind: "sql", expression: "b = 2" } },
          ],
        },
        { name: "everything" },
      ],
    },
  ],
};

/** The resources that the component registers, by name. */
async function registered(topology: BusTopology): Promise<ReadonlyMap<string, MockedResource>> {
  const found = new Map<string, MockedResource>();
  await pulumi.runtime.setMocks(mockedCloud((resource) => found.set(resource.name, resource)));
  new Messaging("bus", { place, sku: "Standard", capacity: 1, topology, protect: false, allowOnly: undefined });
  await pulumi.runtime.disconnect();
  return found;
}

describe("topics", () => {
  it("topics have their subscriptions, which forward to queues", async () => {
    const bus = await registered(TOPOLOGY);
    expect(bus.get("bus-topic-timers")?.inputs).toMatchObject({
      topicName: "timers",
      requiresDuplicateDetection: true,
      duplicateDetectionHistoryTimeWindow: "PT600S",
    });
    expect(bus.get("bus-topic-timers-nightly")?.inputs).toMatchObject({
      topicName: "timers",
      subscriptionName: "nightly",
      forwardTo: "jobs-default-normal",
    });
  });

  it("the first filter of a subscription replaces the rule $Default, which matches everything", async () => {
    const bus = await registered(TOPOLOGY);
    expect(bus.get("bus-topic-timers-nightly-filter")).toMatchObject({
      type: "azure-native:servicebus:DefaultRule",
      inputs: {
        subscriptionName: "nightly",
        filterType: "CorrelationFilter",
        correlationFilter: { properties: { Listener: "nightly" } },
      },
    });
    expect(bus.get("bus-topic-timers-two-rules-filter")?.inputs).toMatchObject({
      sqlFilter: { sqlExpression: "a = 1" },
    });
    expect(bus.get("bus-topic-timers-two-rules-second")).toMatchObject({
      type: "azure-native:servicebus:Rule",
      inputs: { ruleName: "second", sqlFilter: { sqlExpression: "b = 2" } },
    });
    const rulesOf = (subscription: string) =>
      [...bus.values()].filter(({ type, inputs }) => /Rule$/.test(type) && inputs["subscriptionName"] === subscription);
    expect(rulesOf("nightly")).toHaveLength(1);
    expect(rulesOf("two-rules")).toHaveLength(2);
    // Without a filter, the rule that Azure adds is correct.
    expect(rulesOf("everything")).toHaveLength(0);
  });
});
