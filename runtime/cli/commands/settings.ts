/** `jobyard settings`: lists, sets and removes what a tenant gives to the jobs of a package. */
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import type { SettingView } from "../../client/index.ts";
import { connect, LONG, show, showInstant, tenantOf, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface SettingsOptions extends RemoteOptions {
  readonly tenant?: string;
}

interface SetOptions extends SettingsOptions {
  readonly secret?: true;
  readonly value?: string;
}

export async function listSettings(options: SettingsOptions, around: Surroundings, given: string): Promise<void> {
  const { terminal, signal } = around;
  const { client, tenantName, packageName } = await resolve(given, options, around);
  const items = await client.monitoring.getSettings(tenantName, packageName, { signal });
  show(terminal, options, { items }, () =>
    table(
      ["setting", { title: "value", shortens: true }, "version", "set", "by"],
      items.map((one) => [
        one.settingName,
        valueText(one),
        one.version ?? "-",
        showInstant(one.setAt),
        one.setBy ?? "-",
      ]),
      { ...terminal, empty: `${packageName} declares no settings, and none are set.` },
    ),
  );
}

/** A secret's value is never known here. */
function valueText({ secret, isSet, required, declared, value = "" }: SettingView): string {
  if (!isSet) return required ? "(missing)" : "(default)";
  return `${secret ? "(secret)" : value.replaceAll(/\s+/g, " ")}${declared ? "" : " (not declared by the current version)"}`;
}

export async function setSetting(
  options: SetOptions,
  around: Surroundings,
  given: string,
  settingName: string,
): Promise<void> {
  const { terminal, signal } = around;
  const { secret, value: inArguments } = options;
  if (secret === true && inArguments !== undefined) {
    throw new UsageError(
      "A secret in the arguments can be read by other programs and stays in the shell's history. Pipe it in, or type it.",
    );
  }
  const { client, tenantName, packageName } = await resolve(given, options, around);
  const value = inArguments ?? (await readValue(settingName, around));
  const made = await client.management.putSetting(
    tenantName,
    packageName,
    settingName,
    { value, ...(secret && { secret }) },
    { signal },
  );
  if (!made.declared) {
    terminal.error(`Warning: the current version of ${packageName} does not declare ${settingName}.`);
  }
  show(
    terminal,
    options,
    made,
    () => `${settingName} of ${packageName} is set: version ${made.version ?? "?"}${made.secret ? ", a secret" : ""}.`,
  );
}

export async function unsetSetting(
  options: SettingsOptions,
  around: Surroundings,
  given: string,
  settingName: string,
): Promise<void> {
  const { terminal, signal } = around;
  const { client, tenantName, packageName } = await resolve(given, options, around);
  await client.management.deleteSetting(tenantName, packageName, settingName, { signal });
  show(terminal, options, { removed: settingName }, () => `${settingName} of ${packageName} is not set any more.`);
}

/** Typed without an echo on a terminal; else all of standard input, without one line break at its end. */
async function readValue(settingName: string, { input, terminal, signal }: Surroundings): Promise<string> {
  const isTerminal = "isTTY" in input && input.isTTY === true;
  if (!isTerminal) return (await textOf(input as AsyncIterable<string>)).replace(/\r?\n$/, "");
  terminal.error(`Value of ${settingName} (not shown, one line):`);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const line = createInterface({ input, output: silent, terminal: true });
  try {
    // In this mode Ctrl-C is a key and no signal of the process.
    const stopped = new Promise<never>((_, reject) => {
      line.once("SIGINT", () => reject(new UsageError("Nothing was set.")));
    });
    return await Promise.race([line.question("", { signal }), stopped]);
  } finally {
    line.close();
  }
}

async function resolve(given: string, options: SettingsOptions, around: Surroundings) {
  const client = await connect(options, around, LONG);
  const tenantName = await tenantOf(client, options.tenant, around);
  return { client, tenantName, packageName: given.endsWith(".zip") ? given : `${given}.zip` };
}
