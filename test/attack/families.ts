/** The families of hostile input. A test, group or file of tests belongs to one by the tag `attack/<family>`. */
export const ATTACK_FAMILIES = {
  archives: "packages that nobody may unpack",
  trees: "what a job leaves in its folders",
  jobs: "what a job does to its worker, to other jobs and to its machine",
  tokens: "forged, foreign and worn out proofs of who somebody is",
  hosts: "web pages that reach for local servers",
  addresses: "requests of ours that somebody leads elsewhere, with what they carry",
  connections: "connections and requests that hold what others need",
  names: "text that a terminal, a file system or a reader takes for something else",
} as const;

export type AttackFamily = keyof typeof ATTACK_FAMILIES;

/** As `npm run attack` and vitest.config.ts name it. */
export const tagOf = (family: string): string => `attack/${family}`;
