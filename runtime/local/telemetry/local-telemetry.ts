/** Where `npm start` sends its telemetry: to a receiver of its own, or to the collector that its environment names. */
import type { Environment } from "../../core/settings/environment.ts";
import { startReceiver, type ReceiverOptions } from "./receiver.ts";
import { removeTelemetryFile, writeTelemetryFile } from "./telemetry-file.ts";

export interface LocalTelemetryOptions extends ReceiverOptions {
  /** Folder of the stack's data. */
  readonly directory: string;
  readonly environment: Environment;
}

export interface LocalTelemetry {
  /** For API and workers. */
  readonly settings: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS = "OTEL_EXPORTER_OTLP_HEADERS";
const RATIO = "JOBYARD_TRACE_RATIO";

export async function startLocalTelemetry({
  directory,
  environment,
  ...options
}: LocalTelemetryOptions): Promise<LocalTelemetry> {
  const { [ENDPOINT]: elsewhere, [HEADERS]: headers, [RATIO]: ratio = "1" } = environment;
  if (elsewhere) {
    await writeTelemetryFile(directory, { kind: "elsewhere", endpoint: elsewhere });
    return {
      settings: { [ENDPOINT]: elsewhere, ...(headers !== undefined && { [HEADERS]: headers }), [RATIO]: ratio },
      close: () => removeTelemetryFile(directory),
    };
  }
  const receiver = await startReceiver(options);
  const { endpoint, readKey } = receiver;
  await writeTelemetryFile(directory, { kind: "here", endpoint, readKey });
  return {
    settings: { [ENDPOINT]: endpoint, [RATIO]: ratio },
    async close() {
      await removeTelemetryFile(directory);
      await receiver.close();
    },
  };
}
