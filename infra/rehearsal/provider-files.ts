/** What the engine's side and the providers' processes agree on. */

/** Variables of the engine's environment, which its plugins inherit. */
export const PROVIDER_ENV = {
  /** The object id of whoever deploys. */
  deployer: "REHEARSAL_DEPLOYER",
  /** After so many creations the provider kills the engine. */
  dieAfter: "REHEARSAL_DIE_AFTER",
} as const;

/** Beside the file with a provider's part of the cloud: a line for each change. */
export const changesFile = (cloudFile: string): string => `${cloudFile}.changes`;
