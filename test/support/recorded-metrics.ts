/** Instruments over the real SDK, and what they recorded since their start. */
import { type DataPoint, type MetricData, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { createInstruments, type Metrics } from "../../runtime/telemetry/metrics.ts";

export interface RecordedMetrics {
  readonly metrics: Metrics;
  readonly read: () => Promise<readonly MetricData[]>;
  /** The points of one metric; none: it was not recorded. */
  readonly values: (name: string) => Promise<readonly DataPoint<unknown>[]>;
  /** The sum of a counter's points whose attributes include these. */
  readonly sum: (name: string, attributes?: Readonly<Record<string, string>>) => Promise<number>;
}

class PulledReader extends MetricReader {
  protected override onForceFlush = (): Promise<void> => Promise.resolve();
  protected override onShutdown = (): Promise<void> => Promise.resolve();
}

export function createRecordedMetrics(valuesMax?: number): RecordedMetrics {
  const reader = new PulledReader();
  const provider = new MeterProvider({ readers: [reader] });
  const metrics = createInstruments(provider.getMeter("test"), valuesMax);

  async function read(): Promise<readonly MetricData[]> {
    const { resourceMetrics, errors } = await reader.collect();
    if (errors.length > 0) throw new AggregateError(errors, "Some metrics could not be read.");
    return resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  }

  async function values(name: string): Promise<readonly DataPoint<unknown>[]> {
    return (await read()).find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
  }

  return {
    metrics,
    read,
    values,
    async sum(name, attributes = {}) {
      const fits = (point: DataPoint<unknown>): boolean =>
        Object.entries(attributes).every(([key, value]) => point.attributes[key] === value);
      return (await values(name)).filter(fits).reduce((sum, { value }) => sum + Number(value), 0);
    },
  };
}
