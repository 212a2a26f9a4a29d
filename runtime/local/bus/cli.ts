#!/usr/bin/env node
/**
 * The bus as a program: `local-service-bus --topology file.json`. A program that starts it with an IPC channel gets
 * `{ type: "ready", … }` instead of text. The bus ends with the first signal, and with the program that started it.
 */
import { isMendable, readCommand, readyFields, readyText } from "./command.ts";
import { startLocalServiceBus } from "./index.ts";

function fail(error: unknown): never {
  const { code, port } = (error ?? {}) as { readonly code?: unknown; readonly port?: unknown };
  if (isMendable(error)) console.error(error.message);
  else if (code === "EADDRINUSE") console.error(`Port ${String(port)} is in use by another program.`);
  else console.error(error);
  process.exit(1);
}

try {
  const bus = await startLocalServiceBus({ ...readCommand("local-service-bus"), onFatal: fail });
  const stop = (): void => void bus.close().then(() => process.exit(0), fail);
  process.once("SIGTERM", stop).once("SIGINT", stop).once("disconnect", stop);
  if (process.send) process.send({ type: "ready", ...readyFields(bus) });
  else console.log(readyText(bus));
} catch (error) {
  fail(error);
}
