/** The interface between the engine's side and the providers' processes. */

/** Variables of the engine's environment, which its plugins inherit. */
export const PROVIDER_ENV = {
  /** The object id of the deployer. */
  deployer: "REHEARSAL_DEPLOYER",
  /** The provider kills the engine after this many creations. */
  dieAfter: "REHEARSAL_DIE_AFTER",
} as const;

/** Next to the file with a provider's part of the cloud: a line for each change. */
export const changesFile = (cloudFile: string): string => `${cloudFile}.changes`;
