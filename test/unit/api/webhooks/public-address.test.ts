import { BlockList, isIPv4, isIPv6 } from "node:net";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAddress, isLoopbackAddress, isPublicAddress } from "../../../../runtime/api/webhooks/receiver-address.ts";

/** What Node makes of the same registries: a second, independent reading of every address. */
function blockList(family: "ipv4" | "ipv6", subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address = "", prefix] = subnet.split("/");
    list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

const CLOSED_IPV4 = {
  thisNetwork: "0.0.0.0/8",
  private10: "10.0.0.0/8",
  carrierGradeNat: "100.64.0.0/10",
  loopback: "127.0.0.0/8",
  azure: "168.63.129.16/32",
  linkLocal: "169.254.0.0/16",
  private172: "172.16.0.0/12",
  protocols: "192.0.0.0/24",
  documentation1: "192.0.2.0/24",
  as112: "192.31.196.0/24",
  amt: "192.52.193.0/24",
  relay6to4: "192.88.99.0/24",
  private192: "192.168.0.0/16",
  as112Delegation: "192.175.48.0/24",
  benchmarks: "198.18.0.0/15",
  documentation2: "198.51.100.0/24",
  documentation3: "203.0.113.0/24",
  multicast: "224.0.0.0/4",
  reserved: "240.0.0.0/4",
};
const OPEN_IPV6 = blockList("ipv6", ["2000::/3"]);
const CLOSED_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"];
const closedIpv4 = blockList("ipv4", Object.values(CLOSED_IPV4));
const closedIpv6 = blockList("ipv6", CLOSED_IPV6);

const ipv4Text = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
const ipv4 = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  // Around every border.
  fc.constantFrom(...Object.values(CLOSED_IPV4)).chain((subnet) => {
    const [address = "", prefix] = subnet.split("/");
    const first = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    const size = 2 ** (32 - Number(prefix));
    return fc.constantFrom(first - 1, first, first + size - 1, first + size).map((value) => value % 2 ** 32);
  }),
);

const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 });
const ipv6Heads = Array.from({ length: 16 }, (_, digit) => `${digit.toString(16)}000`);
const ipv6 = fc.oneof(
  groups,
  fc
    .tuple(
      fc.constantFrom(...ipv6Heads, "2001", "2002", "2620", "3fff", "3ffe", "fe80", "fc00", "fdff", "ff02", "64"),
      groups,
    )
    .map(([head, rest]) => [Number.parseInt(head, 16), ...rest.slice(1)]),
);
const longText = (parts: readonly number[]): string => parts.map((part) => part.toString(16)).join(":");
/** As browsers and Node write it. */
const shortText = (parts: readonly number[]): string => new URL(`http://[${longText(parts)}]`).hostname.slice(1, -1);

describe("an IPv4 address", () => {
  it("is public exactly when no registry closes it", () => {
    fc.assert(
      fc.property(ipv4, (value) => {
        const text = ipv4Text(value);
        expect(isIPv4(text)).toBe(true);
        expect(isPublicAddress(text), text).toBe(!closedIpv4.check(text, "ipv4"));
      }),
      { numRuns: 20_000 },
    );
  });

  it.each(Object.entries(CLOSED_IPV4))(
    "is not public at either end of %s",
    { tags: "attack/addresses" },
    (_, subnet) => {
      const [address = "", prefix] = subnet.split("/");
      const first = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
      expect(isPublicAddress(address)).toBe(false);
      expect(isPublicAddress(ipv4Text(first + 2 ** (32 - Number(prefix)) - 1))).toBe(false);
    },
  );

  it("is not public inside of an IPv6 address, however it is put there", { tags: "attack/addresses" }, () => {
    const ways = (text: string, hex: string): readonly string[] => [
      `::ffff:${text}`,
      `::${text}`,
      `::ffff:0:${text}`,
      `64:ff9b::${text}`,
      `64:ff9b:1::${text}`,
      `2002:${hex}::1`,
      `2001:0:${hex}::`,
      `fe80::5efe:${text}`,
    ];
    fc.assert(
      fc.property(ipv4, (value) => {
        const hex = `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
        for (const text of ways(ipv4Text(value), hex)) {
          expect(isAddress(text), text).toBe(true);
          expect(isPublicAddress(text), text).toBe(false);
        }
      }),
    );
  });
});

describe("an IPv6 address", () => {
  it("is public exactly when it is global unicast and no registry closes it, however it is written", () => {
    fc.assert(
      fc.property(ipv6, (parts) => {
        const expected = OPEN_IPV6.check(longText(parts), "ipv6") && !closedIpv6.check(longText(parts), "ipv6");
        for (const text of [longText(parts), shortText(parts), longText(parts).toUpperCase()]) {
          expect(isIPv6(text)).toBe(true);
          expect(isPublicAddress(text), text).toBe(expected);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["fe80::1", "link-local"],
    ["fe80::1%eth0", "link-local with a zone"],
    ["2606:4700::1111%eth0", "public with a zone"],
    ["fec0::1", "site-local"],
    ["fc00::1", "unique local"],
    ["fd00:ec2::254", "metadata of another cloud"],
    ["ff02::1", "multicast"],
    ["100::1", "discard"],
    ["64:ff9b::a9fe:a9fe", "NAT64"],
    ["5f00::1", "segment routing"],
    ["4000::1", "not given to anybody"],
  ])("is not public: %s (%s)", { tags: "attack/addresses" }, (text) => {
    expect(isPublicAddress(text)).toBe(false);
  });
});

describe("the addresses of Azure's own services", () => {
  it.each(["169.254.169.254", "168.63.129.16"])("are not public: %s", { tags: "attack/addresses" }, (text) => {
    expect(isPublicAddress(text)).toBe(false);
  });
});

it.each(["20.50.2.1", "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a01:4f8::1"])("lets %s through", (text) => {
  expect(isPublicAddress(text)).toBe(true);
});

it("takes no text for an address that Node does not", { tags: "attack/addresses" }, () => {
  const letters = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    maxLength: 45,
  });
  fc.assert(
    fc.property(letters, (text) => {
      if (isAddress(text)) expect(isIPv4(text) || isIPv6(text), text).toBe(true);
      else expect(isPublicAddress(text)).toBe(false);
    }),
    { numRuns: 20_000 },
  );
  for (const text of [
    "",
    "1",
    "1.1",
    "01.1.1.1",
    "1.1.1.1.",
    "256.1.1.1",
    "0x7f.1.1.1",
    "1::2::3",
    ":::",
    "1:2:3:4:5:6:7",
    "::12345",
  ]) {
    expect(isAddress(text), text).toBe(false);
  }
});

it("knows this machine's own addresses", { tags: "attack/addresses" }, () => {
  expect(["127.0.0.1", "127.255.255.255", "::1", "0:0::1"].every(isLoopbackAddress)).toBe(true);
  expect(["128.0.0.1", "::2", "::ffff:127.0.0.1", "localhost", ""].some(isLoopbackAddress)).toBe(false);
});
