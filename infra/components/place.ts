/** Where resources go and what marks them; every component takes one. */
import type * as pulumi from "@pulumi/pulumi";

export interface Place {
  readonly resourceGroupName: pulumi.Input<string>;
  readonly location: pulumi.Input<string>;
  /** On every resource that takes tags, given explicitly so that tests and previews show them. */
  readonly tags: Readonly<Record<string, string>>;
}

/** From where a service is reached, when not from any address. */
export interface AllowedNetworks {
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly ipRanges: readonly string[];
}
