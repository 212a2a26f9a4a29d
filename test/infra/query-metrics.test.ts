import { expect, it } from "vitest";
import { METRICS as QUERIED } from "../../infra/plan/queries/metrics.ts";
import { METRICS as RECORDED } from "../../runtime/telemetry/metrics.ts";

const attributesByName = new Map<string, readonly string[]>(
  Object.values(RECORDED).map(({ name, attributes }) => [name, attributes]),
);

it.each(Object.entries(QUERIED))(
  "the runtime records the metric %s with the attributes that queries read",
  (name, read) => {
    expect(attributesByName.get(name)).toEqual(expect.arrayContaining([...read]));
  },
);
