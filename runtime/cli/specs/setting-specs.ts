/** Commands about settings and secrets of packages. */
import { REMOTE, TENANT, type ArgumentSpec, type CommandSpec } from "../command-spec.ts";

const PACKAGE: ArgumentSpec = { name: "<package>", text: "its name, with or without .zip" };
const NAME: ArgumentSpec = { name: "<name>", text: "the setting, such as SMTP_HOST" };

export const SETTINGS: CommandSpec = {
  name: "settings",
  summary: "List, set and remove the settings and secrets of a package.",
  defaultCommand: "list",
  commands: [
    {
      name: "list",
      summary: "List what a package declares and what is set. Secrets are not shown.",
      examples: ["settings list mail --tenant demo"],
      arguments: [PACKAGE],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/settings.ts")).listSettings,
    },
    {
      name: "set",
      summary: "Set a value, read from standard input or typed without echo.",
      examples: [
        "settings set mail API_KEY --secret",
        "jobyard settings set mail API_KEY --secret < api-key.txt",
        "settings set mail SMTP_HOST --value mail.example.com",
      ],
      arguments: [PACKAGE, NAME],
      options: [
        ...REMOTE,
        TENANT,
        { flags: "--secret", text: "keep it as a secret (default: as the package declares it)" },
        { flags: "--value <text>", text: "the value of a setting that is no secret" },
      ],
      load: async () => (await import("../commands/settings.ts")).setSetting,
    },
    {
      name: "unset",
      summary: "Remove a value. Jobs get the default, or are refused if the setting is required.",
      examples: ["settings unset mail SMTP_HOST"],
      arguments: [PACKAGE, NAME],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/settings.ts")).unsetSetting,
    },
  ],
};
