/**
 * All pages: their address, their place in the side bar, their code. Each is loaded when it is first opened. To add one: a
 * module in `pages/` that exports `Page`, and a line here.
 */
import { createElement, lazy, type ComponentType, type LazyExoticComponent } from "react";
import type { PageProps } from "./components/address.ts";
import type { IconName } from "./components/icon.tsx";
import { LoadAgain } from "./components/load-again.tsx";
import { forgetLoadedAgainFor } from "./data/load-again.ts";

export interface PageRoute {
  /** A pattern of wouter. Parameters arrive as `params`. */
  readonly path: string;
  readonly title: string;
  /** In the side bar. Absent: reached from another page. */
  readonly nav?: NavPlace;
  readonly Page: LazyExoticComponent<ComponentType<PageProps>>;
}

export interface NavPlace {
  readonly icon: IconName;
  /** On a phone it is in the sheet behind "More", not in the bar. */
  readonly isLess?: boolean;
  /** A line stands above it. */
  readonly startsGroup?: boolean;
  /** The key after `g` that goes there. */
  readonly key: string;
}

const page = (load: () => Promise<{ readonly Page: ComponentType<PageProps> }>) =>
  lazy(async () => {
    const part = location.pathname;
    try {
      const { Page } = await load();
      forgetLoadedAgainFor(part);
      return { default: Page };
    } catch (error) {
      // React and some browsers keep a failed import, so only a reload helps.
      return { default: () => createElement(LoadAgain, { part, error }) };
    }
  });

export const ROUTES: readonly PageRoute[] = [
  {
    path: "/",
    title: "Overview",
    nav: { icon: "overview", key: "o" },
    Page: page(() => import("./pages/overview.tsx")),
  },
  {
    path: "/jobs",
    title: "Jobs",
    nav: { icon: "jobs", key: "j" },
    Page: page(() => import("./pages/jobs.tsx")),
  },
  {
    path: "/batches",
    title: "Batches",
    nav: { icon: "batches", key: "b" },
    Page: page(() => import("./pages/batches.tsx")),
  },
  {
    path: "/errors",
    title: "Errors",
    nav: { icon: "errors", key: "e" },
    Page: page(() => import("./pages/errors.tsx")),
  },
  {
    path: "/submit",
    title: "Submit",
    nav: { icon: "submit", key: "s", isLess: true },
    Page: page(() => import("./pages/submit.tsx")),
  },
  {
    path: "/dead-letters",
    title: "Dead letters",
    nav: { icon: "flask", key: "d", isLess: true },
    Page: page(() => import("./pages/dead-letters.tsx")),
  },
  {
    path: "/events",
    title: "Events",
    nav: { icon: "events", key: "v", isLess: true },
    Page: page(() => import("./pages/events.tsx")),
  },
  { path: "/actions", title: "Actions", Page: page(() => import("./pages/actions.tsx")) },
  { path: "/batches/:batchId", title: "Batch", Page: page(() => import("./pages/batch.tsx")) },
  { path: "/jobs/:jobId", title: "Job", Page: page(() => import("./pages/job.tsx")) },
  {
    path: "/timers",
    title: "Timers",
    nav: { icon: "timers", key: "t" },
    Page: page(() => import("./pages/timers.tsx")),
  },
  {
    path: "/timers/:packageName/:timerName",
    title: "Timer",
    Page: page(() => import("./pages/timer.tsx")),
  },
  {
    path: "/packages",
    title: "Packages",
    nav: { icon: "packages", key: "p", isLess: true },
    Page: page(() => import("./pages/packages.tsx")),
  },
  { path: "/packages/:packageName", title: "Package", Page: page(() => import("./pages/package.tsx")) },
  {
    path: "/workers",
    title: "Workers",
    nav: { icon: "workers", key: "w", isLess: true, startsGroup: true },
    Page: page(() => import("./pages/workers.tsx")),
  },
  {
    path: "/webhooks",
    title: "Webhooks",
    nav: { icon: "webhooks", key: "h", isLess: true },
    Page: page(() => import("./pages/webhooks.tsx")),
  },
  { path: "/webhooks/:webhookName", title: "Webhook", Page: page(() => import("./pages/webhook.tsx")) },
  {
    path: "/access",
    title: "Access",
    nav: { icon: "access", key: "a", isLess: true },
    Page: page(() => import("./pages/access.tsx")),
  },
  {
    path: "/health",
    title: "Health",
    nav: { icon: "health", key: "l", isLess: true },
    Page: page(() => import("./pages/health.tsx")),
  },
  {
    path: "/docs",
    title: "API",
    nav: { icon: "docs", key: "i", isLess: true },
    Page: page(() => import("./pages/docs.tsx")),
  },
];
