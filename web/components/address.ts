/** The address is the state of a page: filters, tabs, the tenant. */
import { useCallback } from "react";
import { useLocation, useSearch } from "wouter";

/** What a page is given: the parts of its path, by the names in `routes.ts`. */
export interface PageProps {
  readonly params: Readonly<Record<string, string | undefined>>;
}

/** One parameter of the address. Setting it leaves the others, and adds no step for the browser's Back. */
export function useParam(name: string): [string | undefined, (value: string | undefined) => void] {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const set = useCallback(
    (value: string | undefined) => {
      const parameters = new URLSearchParams(location.search);
      if (value === undefined || value === "") parameters.delete(name);
      else parameters.set(name, value);
      const text = parameters.toString();
      navigate(text === "" ? path : `${path}?${text}`, { replace: true });
    },
    [name, navigate, path],
  );
  return [new URLSearchParams(search).get(name) ?? undefined, set];
}

/** An address inside of the dashboard. Absent values are left out. */
export function href(path: string, parameters: Readonly<Record<string, string | undefined>> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

export const jobHref = (jobId: string): string => `/jobs/${encodeURIComponent(jobId)}`;
export const batchHref = (batchId: string): string => `/batches/${encodeURIComponent(batchId)}`;

/** Spans of time that lists are bounded by, as the command line writes them. */
const SPAN_UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** An instant, or a span before now such as `24h`. Undefined: neither. */
export function instantOf(text: string | undefined, now: number): Date | undefined {
  const [, count, unit] = /^(\d{1,5})([mhd])$/.exec(text ?? "") ?? [];
  const at = unit === undefined ? Date.parse(text ?? "") : now - Number(count) * SPAN_UNITS_MS[unit as "m" | "h" | "d"];
  return Number.isNaN(at) ? undefined : new Date(at);
}
