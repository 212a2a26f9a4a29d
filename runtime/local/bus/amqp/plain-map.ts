/** Reads the maps rhea decodes: some arrive as objects, some as typed lists of alternating keys and values. */

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** The value within a typed wrapper; anything else as it is. */
export const unwrap = (value: unknown): unknown =>
  isObject(value) && "type" in value && "value" in value ? value["value"] : value;

/** A map as a plain object; empty when there is none. */
export function plainMap(map: unknown): Record<string, unknown> {
  const inner = unwrap(map);
  const plain: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  if (Array.isArray(inner)) {
    const items: readonly unknown[] = inner;
    for (let index = 0; index + 1 < items.length; index += 2)
      plain[String(unwrap(items[index]))] = keep(items[index + 1]);
  } else if (isObject(inner)) {
    for (const [key, value] of Object.entries(inner)) plain[key] = keep(value);
  }
  return plain;
}

/** Typed scalars become plain; typed maps and lists stay as they are, for who knows what to expect in them. */
function keep(value: unknown): unknown {
  const inner = unwrap(value);
  return Array.isArray(inner) ? value : inner;
}

/** A list or array as items; a single value as a list of one; nothing as an empty list. */
export function plainList(value: unknown): readonly unknown[] {
  const inner = unwrap(value);
  if (inner === undefined || inner === null) return [];
  return Array.isArray(inner) ? (inner as readonly unknown[]) : [inner];
}

/** An integer of up to eight bytes, as number; undefined when it is none. */
export function plainInteger(value: unknown): number | undefined {
  const inner = unwrap(value);
  if (Buffer.isBuffer(inner) && inner.length === 8) return Number(inner.readBigInt64BE(0));
  if (inner instanceof Date) return inner.getTime();
  return typeof inner === "number" && Number.isFinite(inner) ? inner : undefined;
}

export function plainString(value: unknown): string | undefined {
  const inner = unwrap(value);
  return typeof inner === "string" ? inner : undefined;
}

export function plainBytes(value: unknown): Buffer | undefined {
  const inner = unwrap(value);
  return Buffer.isBuffer(inner) ? inner : undefined;
}
