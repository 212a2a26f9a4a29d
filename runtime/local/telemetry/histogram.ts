/** Counts by bucket, and the value below which a share of them lies. */

interface Histogram {
  /** Upper ends of the buckets. The last bucket has none. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

/** Changes and returns the first. */
export function addInto(sum: number[], counts: readonly number[]): number[] {
  counts.forEach((count, i) => (sum[i] = (sum[i] ?? 0) + count));
  return sum;
}

/** Estimated: the values of a bucket count as evenly spread. Null if there are none. */
export function quantileOf(share: number, { bounds, counts }: Histogram): number | null {
  const total = counts.reduce((a, b) => a + b, 0);
  if (total === 0) return null;
  let left = share * total;
  for (const [i, count] of counts.entries()) {
    const lower = i === 0 ? 0 : (bounds[i - 1] ?? 0);
    if (count > 0 && left <= count) return lower + ((bounds[i] ?? lower) - lower) * (left / count);
    left -= count;
  }
  return bounds.at(-1) ?? null;
}
