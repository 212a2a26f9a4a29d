/** The location and tags of resources. Every component takes one. */
import type * as pulumi from "@pulumi/pulumi";

export interface Place {
  readonly resourceGroupName: pulumi.Input<string>;
  readonly location: pulumi.Input<string>;
  /** Set explicitly on every resource that has tags, so that tests and previews show them. */
  readonly tags: Readonly<Record<string, string>>;
}

/** The addresses that reach a service, if access is restricted. */
export interface AllowedNetworks {
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly ipRanges: readonly string[];
}
