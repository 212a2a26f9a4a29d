/** Commands about the sign-in and the service's address. */
import { JSON_OPTION, LOCAL, REMOTE, type CommandSpec } from "../command-spec.ts";

export const SIGNING_IN: readonly CommandSpec[] = [
  {
    name: "login",
    summary: "Sign in as a user in your browser, or as an application.",
    examples: [
      "login --local                              # npm start on this machine, as the demo's program",
      "login --local --as admin                   # the same, as a user who may do everything",
      "login https://jobs.example.com             # as yourself, in this machine's browser",
      "login https://jobs.example.com --device    # as yourself, with a code, in a browser anywhere",
      "login https://jobs.example.com --client-id <id>   # as an application; secret in JOBYARD_CLIENT_SECRET",
    ],
    arguments: [{ name: "[url]", text: "the service (default: JOBYARD_URL, or http://127.0.0.1:7070 with --local)" }],
    options: [
      ...LOCAL,
      { flags: "--local", text: "a service on this machine, with the issuer that npm start runs" },
      { flags: "--as <who>", text: "with --local: which program", choices: ["demo", "admin"], default: "demo" },
      { flags: "--device", text: "as a user, with a code you enter in a browser on any machine" },
      { flags: "--client-id <id>", text: "as this application; its secret is read from JOBYARD_CLIENT_SECRET" },
      {
        flags: "--ca-file <file>",
        text: "certificate of a local issuer (default: .jobyard/identity/ca.pem, with --local)",
      },
      {
        flags: "--authority <address>",
        text: "trust this issuer with the secret, if it is not Microsoft's (default: JOBYARD_AUTHORITY)",
      },
      JSON_OPTION,
    ],
    load: async () => (await import("../commands/login.ts")).login,
  },
  {
    name: "logout",
    summary: "Sign out.",
    examples: ["logout"],
    options: LOCAL,
    load: async () => (await import("../commands/login.ts")).logout,
  },
  {
    name: "whoami",
    summary: "Show who you are and your access to each tenant.",
    examples: ["whoami"],
    options: REMOTE,
    load: async () => (await import("../commands/whoami.ts")).whoami,
  },
  {
    name: "token",
    summary: "Print your access token, for curl and other programs. It is a secret and expires within hours.",
    examples: ["token", "token --json"],
    options: REMOTE,
    load: async () => (await import("../commands/token.ts")).token,
  },
];
