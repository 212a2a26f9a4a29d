/** Instants and spans. Each shows the exact time, here and in UTC, on hover and to screen readers. */
import { useNow } from "./clock.ts";
import { durationText, localText, relativeText, utcText } from "./time-text.ts";

const exact = (at: number): string => `${localText(at)}\n${utcText(at)}`;

/** `3 min ago`, ticking. */
export function Ago({ at }: { readonly at: string }) {
  const time = Date.parse(at);
  return (
    <time dateTime={at} title={exact(time)}>
      {relativeText(time, useNow())}
    </time>
  );
}

/** The local time in full. */
export function At({ at }: { readonly at: string }) {
  const time = Date.parse(at);
  return (
    <time dateTime={at} title={utcText(time)}>
      {localText(time)}
    </time>
  );
}

/** From one instant to another; without `to` it goes on and ticks. */
export function Span({ from, to }: { readonly from: string; readonly to?: string | undefined }) {
  const now = useNow();
  const [begin, end] = [Date.parse(from), to === undefined ? now : Date.parse(to)];
  const text = to === undefined ? durationText(Math.floor((end - begin) / 1_000) * 1_000) : durationText(end - begin);
  return <span title={`${exact(begin)}${to === undefined ? "" : `\n– ${exact(end)}`}`}>{text}</span>;
}
