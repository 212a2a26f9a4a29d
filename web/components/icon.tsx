/** The drawings of pages and actions. They say nothing alone: a word stands beside each, or names its button. */
import type { JSX } from "react";

const DRAWINGS = {
  brand: (
    <>
      <rect x="1.5" y="1.5" width="13" height="13" rx="3" />
      <path d="M5 10.5c0 1 .8 1.5 1.8 1.5S9 11.4 9 10V4.5" />
    </>
  ),
  overview: <path d="M2 9h4V2H2zM10 14h4V7h-4zM2 14h4v-2H2zM10 4h4V2h-4z" />,
  jobs: <path d="M5 4h9M5 8h9M5 12h9M2 4h.01M2 8h.01M2 12h.01" />,
  batches: <path d="M8 2 2 5l6 3 6-3zM2 8l6 3 6-3M2 11l6 3 6-3" />,
  errors: <path d="M8 2 1.5 13.5h13zM8 6.5v3M8 11.5h.01" />,
  timers: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 4.5V8l2.5 1.5" />
    </>
  ),
  packages: <path d="M8 1.5 2.5 4.5v7L8 14.5l5.5-3v-7zM2.5 4.5 8 7.5l5.5-3M8 7.5v7" />,
  submit: <path d="M8 13V3M4 7l4-4 4 4M2.5 14h11" />,
  workers: (
    <>
      <rect x="2" y="2.5" width="12" height="4.5" rx="1" />
      <rect x="2" y="9" width="12" height="4.5" rx="1" />
      <path d="M4.5 4.75h.01M4.5 11.25h.01" />
    </>
  ),
  flask: <path d="M6 2h4M7 2v4l-4 7a1 1 0 0 0 1 1.5h8a1 1 0 0 0 1-1.5L9 6V2" />,
  events: <path d="M1.5 8h3l2-5 3 10 2-5h3" />,
  webhooks: (
    <>
      <circle cx="4" cy="11.5" r="2" />
      <circle cx="12" cy="11.5" r="2" />
      <circle cx="8" cy="4" r="2" />
      <path d="m7 5.8-2.2 4M9 5.8l2.2 4M6 11.5h4" />
    </>
  ),
  access: (
    <>
      <circle cx="8" cy="5" r="2.5" />
      <path d="M3 14c0-2.8 2.2-4.5 5-4.5s5 1.7 5 4.5" />
    </>
  ),
  health: <path d="M8 13.5S2 10 2 6a3 3 0 0 1 6-1 3 3 0 0 1 6 1c0 4-6 7.5-6 7.5z" />,
  docs: <path d="m5 4.5-3.5 3.5L5 11.5M11 4.5l3.5 3.5-3.5 3.5M9.5 2.5l-3 11" />,
  search: (
    <>
      <circle cx="7" cy="7" r="4.5" />
      <path d="m13.5 13.5-3-3" />
    </>
  ),
  copy: (
    <>
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
      <path d="M10.5 3.5v-1h-8v8h1" />
    </>
  ),
  check: <path d="m3 8.5 3.5 3.5L13 4.5" />,
  close: <path d="m4 4 8 8m0-8-8 8" />,
  more: <path d="M3 8h.01M8 8h.01M13 8h.01" strokeWidth="2.5" />,
  down: <path d="m4 6 4 4 4-4" />,
  theme: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 2.5v11a5.5 5.5 0 0 0 0-11z" fill="currentColor" />
    </>
  ),
} as const satisfies Readonly<Record<string, JSX.Element>>;

export type IconName = keyof typeof DRAWINGS;

export const Icon = ({ name, size = 16 }: { readonly name: IconName; readonly size?: number }) => (
  <svg
    viewBox="0 0 16 16"
    width={size}
    height={size}
    fill="none"
    stroke="currentColor"
    strokeWidth="1.5"
    strokeLinecap="round"
    strokeLinejoin="round"
    aria-hidden="true"
  >
    {DRAWINGS[name]}
  </svg>
);
