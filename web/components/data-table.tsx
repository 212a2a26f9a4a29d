/**
 * A table of any length: only the rows in view exist. `j` and `k` move between rows, `Enter` opens one, `x` selects it.
 * Every row has the same height, so that nothing jumps.
 */
import { useCallback, useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useLocation } from "wouter";
import { Ghost } from "./ghost.tsx";

export interface Column<T> {
  readonly id: string;
  readonly title: string;
  /** CSS width. Columns without one share the rest. */
  readonly width?: string;
  readonly isNumber?: boolean;
  /** Left out where there is no room: below 640 px, or below 1100 px. */
  readonly hide?: "small" | "medium";
  readonly cell: (row: T) => ReactNode;
}

export interface Selection {
  readonly keys: ReadonlySet<string>;
  readonly onChange: (keys: ReadonlySet<string>) => void;
}

export interface DataTableProps<T> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  /** Undefined: they are being read. */
  readonly rows: readonly T[] | undefined;
  readonly keyOf: (row: T) => string;
  /** A name for the row's checkbox. */
  readonly nameOf?: (row: T) => string;
  readonly hrefOf?: (row: T) => string;
  /** The row whose detail is beside the table. */
  readonly currentKey?: string | undefined;
  readonly selection?: Selection;
  /** Called when the end comes near. */
  readonly onEnd?: (() => void) | undefined;
  /** Shown when there are no rows. */
  readonly empty: ReactNode;
  /** Rows that came since, at the top: a button that shows them. */
  readonly news?: { readonly count: number; readonly onShow: () => void };
  readonly foot?: ReactNode;
}

const ROW_PX = 36;
const GHOST_ROWS = 8;
/** Rows rendered beyond the view, and rows before the end at which more are read. */
const BEYOND = 12;

export function DataTable<T>(props: DataTableProps<T>) {
  const {
    label,
    columns,
    rows,
    keyOf,
    nameOf = keyOf,
    hrefOf,
    currentKey,
    selection,
    onEnd,
    empty,
    news,
    foot,
  } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const [, navigate] = useLocation();
  const [margin, setMargin] = useState(0);
  const count = rows?.length ?? 0;
  const virtualizer = useWindowVirtualizer({
    count,
    estimateSize: () => ROW_PX,
    overscan: BEYOND,
    scrollMargin: margin,
    initialRect: { width: innerWidth, height: innerHeight },
  });
  const shown = virtualizer.getVirtualItems();
  const [first, last] = [shown[0], shown.at(-1)];
  useEffect(() => {
    const top = body.current?.getBoundingClientRect().top;
    if (top !== undefined) setMargin(top + scrollY);
  }, [count === 0, news !== undefined]);
  useEffect(() => {
    if (last !== undefined && last.index >= count - BEYOND) onEnd?.();
  }, [last?.index, count, onEnd]);

  const toggle = useCallback(
    (key: string) => {
      if (selection === undefined) return;
      const keys = new Set(selection.keys);
      if (!keys.delete(key)) keys.add(key);
      selection.onChange(keys);
    },
    [selection],
  );
  const onKeyDown = (event: KeyboardEvent<HTMLTableRowElement>, row: T): void => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const { currentTarget } = event;
    const next = event.key === "j" || event.key === "ArrowDown";
    if (next || event.key === "k" || event.key === "ArrowUp") {
      const neighbour = next ? currentTarget.nextElementSibling : currentTarget.previousElementSibling;
      if (neighbour instanceof HTMLElement) neighbour.focus();
    } else if (event.key === "Enter" && hrefOf !== undefined) navigate(hrefOf(row));
    else if (event.key === "x") toggle(keyOf(row));
    else return;
    event.preventDefault();
  };

  if (rows?.length === 0) return <div className="table">{empty}</div>;
  const all = rows !== undefined && selection !== undefined && rows.every((row) => selection.keys.has(keyOf(row)));
  const gap = (height: number) =>
    height <= 0 ? null : (
      <tr className="gap" aria-hidden="true">
        <td style={{ height }} />
      </tr>
    );
  return (
    <div className="table">
      {news === undefined || news.count === 0 ? null : (
        <button type="button" className="news" onClick={news.onShow}>
          {news.count} new
        </button>
      )}
      <table aria-label={label} aria-rowcount={rows === undefined ? undefined : count} aria-busy={rows === undefined}>
        <thead>
          <tr>
            {selection === undefined ? null : (
              <th style={{ width: 40 }}>
                <input
                  type="checkbox"
                  aria-label="Select all that are shown"
                  checked={all}
                  onChange={() => selection.onChange(new Set(all ? [] : rows?.map(keyOf)))}
                />
              </th>
            )}
            {columns.map((column) => (
              <th key={column.id} scope="col" className={classOf(column)} style={{ width: column.width }}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows === undefined
            ? Array.from({ length: GHOST_ROWS }, (_, index) => (
                <tr key={index}>
                  {selection === undefined ? null : <td />}
                  {columns.map((column) => (
                    <td key={column.id} className={classOf(column)}>
                      <Ghost width={column.width === undefined ? 14 : 4} />
                    </td>
                  ))}
                </tr>
              ))
            : null}
          {first === undefined ? null : gap(first.start - margin)}
          {shown.map(({ index }) => {
            const row = rows?.[index];
            if (row === undefined) return null;
            const key = keyOf(row);
            const isSelected = selection?.keys.has(key);
            return (
              <tr
                key={key}
                tabIndex={index === first?.index ? 0 : -1}
                aria-rowindex={index + 1}
                aria-selected={isSelected}
                aria-current={key === currentKey || undefined}
                onKeyDown={(event) => onKeyDown(event, row)}
              >
                {selection === undefined ? null : (
                  <td>
                    <input
                      type="checkbox"
                      aria-label={`Select ${nameOf(row)}`}
                      checked={isSelected}
                      onChange={() => toggle(key)}
                    />
                  </td>
                )}
                {columns.map((column) => (
                  <td key={column.id} className={classOf(column)}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          {last === undefined ? null : gap(virtualizer.getTotalSize() + margin - last.end)}
        </tbody>
      </table>
      {foot === undefined ? null : <div className="table-foot">{foot}</div>}
    </div>
  );
}

const classOf = ({ isNumber, hide }: Pick<Column<never>, "isNumber" | "hide">): string | undefined =>
  [isNumber && "num", hide && `hide-${hide}`].filter(Boolean).join(" ") || undefined;
