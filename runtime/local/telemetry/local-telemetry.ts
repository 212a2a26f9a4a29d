/** Where `npm start` sends its telemetry: to a receiver of its own, or to the collector that its environment names. */
import type { Environment } from "../../core/settings/environment.ts";
import { SETTING } from "../../core/settings/names.ts";
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

/** `jobyard stats --watch` shows what is new. */
const METRICS_EVERY_MS = 5_000;

export async function startLocalTelemetry({
  directory,
  environment,
  ...options
}: LocalTelemetryOptions): Promise<LocalTelemetry> {
  const { [SETTING.otlpEndpoint]: elsewhere, [SETTING.otlpHeaders]: headers } = environment;
  const { [SETTING.metricsInterval]: interval, [SETTING.traceRatio]: ratio = "1" } = environment;
  if (elsewhere) {
    await writeTelemetryFile(directory, { kind: "elsewhere", endpoint: elsewhere });
    return {
      settings: {
        [SETTING.otlpEndpoint]: elsewhere,
        ...(headers !== undefined && { [SETTING.otlpHeaders]: headers }),
        ...(interval !== undefined && { [SETTING.metricsInterval]: interval }),
        [SETTING.traceRatio]: ratio,
      },
      close: () => removeTelemetryFile(directory),
    };
  }
  const receiver = await startReceiver(options);
  const { endpoint, readKey } = receiver;
  await writeTelemetryFile(directory, { kind: "here", endpoint, readKey });
  return {
    settings: {
      [SETTING.otlpEndpoint]: endpoint,
      [SETTING.metricsInterval]: interval ?? String(METRICS_EVERY_MS),
      [SETTING.traceRatio]: ratio,
    },
    async close() {
      await removeTelemetryFile(directory);
      await receiver.close();
    },
  };
}
