/** The sizes that a stack may have, with Azure's limits for each. */

export interface ApiSku {
  readonly tier: string;
  /** Maximum instances of the plan. */
  readonly maxInstances: number;
  /** Whether Azure Monitor may scale the plan. */
  readonly autoscale: boolean;
}

const basic: ApiSku = { tier: "Basic", maxInstances: 3, autoscale: false };
const standard: ApiSku = { tier: "Standard", maxInstances: 10, autoscale: true };
const premium: ApiSku = { tier: "PremiumV3", maxInstances: 30, autoscale: true };

/** App Service plans for Linux with Always On. https://learn.microsoft.com/azure/app-service/overview-hosting-plans */
export const API_SKUS = {
  B1: basic,
  B2: basic,
  B3: basic,
  S1: standard,
  S2: standard,
  S3: standard,
  P0v3: { ...premium, tier: "Premium0V3" },
  P1v3: premium,
  P2v3: premium,
  P3v3: premium,
} as const satisfies Readonly<Record<string, ApiSku>>;

export type ApiSkuName = keyof typeof API_SKUS;

export const STORAGE_REPLICATIONS = ["LRS", "ZRS", "GRS", "GZRS", "RAGRS", "RAGZRS"] as const;
export const BUS_SKUS = ["Standard", "Premium"] as const;
/** Messaging units of a premium namespace. */
export const BUS_CAPACITIES = [1, 2, 4, 8, 16] as const;
export const EGRESSES = ["nat", "instancePublicIp"] as const;
export const DATA_NETWORKS = ["vnet", "internet"] as const;

/** `Standard_D2as_v5`: family, cores, features, version. */
const VM_SIZE = /^Standard_[A-Z]{1,3}\d{1,3}(?:-\d{1,3})?([a-z]*)(?:_[A-Za-z0-9]+)*$/;

/** Sizes of family N have a GPU or another accelerator, which jobs use through device files. */
export const hasAccelerator = (size: string): boolean => size.startsWith("Standard_N");

/** The problem with a VM size, or undefined if it may exist. Only Azure knows which sizes a region has. */
export function vmSizeProblem(size: string): string | undefined {
  const features = VM_SIZE.exec(size)?.[1];
  if (features === undefined) return "must be a VM size in Azure's notation, such as Standard_D2as_v5";
  // The letter p marks Arm processors. The workers' image and Node are for x64.
  return features.includes("p") ? "must be an x64 size: Arm sizes are not supported" : undefined;
}
