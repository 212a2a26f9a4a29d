/** A log of any length: only the lines in view exist. It follows its end, until the reader scrolls up. */
import { useEffect, useMemo, useRef, useState } from "react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { plainStyle, styledParts, type StyledPart } from "./ansi.ts";
import { CopyButton } from "./copy.tsx";

const LINE_PX = 20;
/** How near to the end counts as the end. */
const NEAR_PX = 40;

export interface LogViewProps {
  readonly text: string;
  /** What the button copies. Default: the text. */
  readonly copied?: string;
  readonly isLive: boolean;
}

export function LogView({ text, copied = text, isLive }: LogViewProps) {
  const lines = useMemo(() => styledLines(text), [text]);
  const [wanted, setWanted] = useState("");
  const [at, setAt] = useState(0);
  const place = useRef<HTMLDivElement>(null);
  const follows = useRef(isLive);
  const top = useRef(0);
  const hits = useMemo(() => hitsOf(lines, wanted), [lines, wanted]);
  const virtualizer = useVirtualizer({
    count: lines.length,
    getScrollElement: () => place.current,
    estimateSize: () => LINE_PX,
    overscan: 20,
  });
  useEffect(() => {
    if (follows.current && lines.length > 0) virtualizer.scrollToIndex(lines.length - 1, { align: "end" });
  }, [lines.length, virtualizer]);
  const current = hits[Math.min(at, hits.length - 1)];
  const go = (to: number): void => {
    const next = hits.length === 0 ? 0 : (to + hits.length) % hits.length;
    setAt(next);
    follows.current = false;
    virtualizer.scrollToIndex(hits[next] ?? 0, { align: "center" });
  };
  const found = new Set(hits);
  return (
    <div className="stack">
      <div className="row">
        <input
          className="input"
          style={{ width: 240 }}
          type="search"
          aria-label="Search in the log"
          placeholder="Search in the log"
          value={wanted}
          onChange={(event) => {
            setWanted(event.target.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") go(event.shiftKey ? at - 1 : at + (current === undefined ? 0 : 1));
          }}
        />
        {wanted === "" ? null : (
          <span className="muted" role="status">
            {hits.length === 0 ? "not found" : `${Math.min(at, hits.length - 1) + 1} of ${hits.length}`}
          </span>
        )}
        <span className="muted end">{lines.length} lines</span>
        <CopyButton text={copied} what="the log" />
      </div>
      <div
        className="log"
        ref={place}
        role="log"
        aria-label="Log"
        // Its lines are read by moving through it, not aloud as they come.
        aria-live="off"
        tabIndex={0}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          if (scrollHeight - scrollTop - clientHeight < NEAR_PX) follows.current = isLive;
          // Lines that have come since then move the end away too, but only the reader moves up.
          else if (scrollTop < top.current) follows.current = false;
          top.current = scrollTop;
        }}
      >
        <div style={{ height: virtualizer.getTotalSize(), position: "relative" }}>
          {virtualizer.getVirtualItems().map(({ index, start }) => (
            <div
              key={index}
              ref={virtualizer.measureElement}
              data-index={index}
              data-n={index + 1}
              data-hit={found.has(index) || undefined}
              data-current={index === current || undefined}
              className="log-line"
              style={{ transform: `translateY(${start}px)` }}
            >
              {lines[index]?.map((part, position) =>
                part.className === "" ? (
                  part.text
                ) : (
                  <span key={position} className={part.className}>
                    {part.text}
                  </span>
                ),
              )}
              {lines[index]?.length === 0 ? "\u00a0" : null}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

function styledLines(text: string): readonly (readonly StyledPart[])[] {
  if (text === "") return [];
  const style = plainStyle();
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => styledParts(line, style));
}

function hitsOf(lines: readonly (readonly StyledPart[])[], wanted: string): readonly number[] {
  if (wanted === "") return [];
  const lower = wanted.toLowerCase();
  return lines.flatMap((parts, index) =>
    parts
      .map(({ text }) => text)
      .join("")
      .toLowerCase()
      .includes(lower)
      ? [index]
      : [],
  );
}
