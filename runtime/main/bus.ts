/**
 * Runs the local Service Bus as a process: `npm run bus -- --topology file.json`. Under a supervisor it reports when
 * it is ready, and ends with it.
 */
import { SettingsError } from "../core/settings/environment.ts";
import { isMendable, readCommand, readyFields, readyText } from "../local/bus/command.ts";
import { startLocalServiceBus } from "../local/bus/index.ts";
import { ownFolder } from "../platform/own-folder.ts";
import { explain } from "./explain.ts";
import { ownerPatience, runService, type Service } from "./service-process.ts";

async function start(): Promise<Service> {
  try {
    const bus = await startLocalServiceBus({
      ...readCommand("npm run bus --"),
      claimDirectory: (directory) => ownFolder({ ...ownerPatience, directory }),
      onFatal: (error) => {
        console.error(explain(asSetting(error)));
        process.exit(1);
      },
    });
    if (!process.send) console.log(readyText(bus));
    return { ready: readyFields(bus), stop: () => bus.close() };
  } catch (error) {
    throw asSetting(error);
  }
}

/** `explain` shows a setting's error as its one sentence. */
const asSetting = (error: unknown): unknown =>
  isMendable(error) ? new SettingsError(error.message, { cause: error }) : error;

await runService(start);
