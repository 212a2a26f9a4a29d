/** Where tokens for jobs come from. */

export interface IssuedToken {
  readonly token: string;
  /** Milliseconds since 1970, as Azure's SDK has it. */
  readonly expiresOnTimestamp: number;
}

export interface JobCredential {
  /** It is the developer's own identity, or nobody's: no grant protects it. */
  readonly isDevelopers: boolean;
  /** For a service such as `https://vault.azure.net`. Throws when there is none now. */
  getToken(audience: string, signal: AbortSignal): Promise<IssuedToken>;
}
