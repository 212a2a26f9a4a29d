/** The families of hostile input. A test, group or file of tests belongs to one by the tag `attack/<family>`. */
export const ATTACK_FAMILIES = {
  archives: "packages that must not be unpacked",
  trees: "files that a job leaves in its folders",
  jobs: "actions of a job against its worker, other jobs and its machine",
  tokens: "forged, foreign and expired tokens",
  hosts: "web pages that send requests to local servers",
  addresses: "requests that an attacker redirects, and the secrets in them",
  connections: "connections and requests that use up limited resources",
  names: "text that a terminal, a file system or a reader misinterprets",
} as const;

export type AttackFamily = keyof typeof ATTACK_FAMILIES;

/** The tag in `npm run attack` and vitest.config.ts. */
export const tagOf = (family: string): string => `attack/${family}`;
