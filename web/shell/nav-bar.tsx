/** The pages. The side bar folds to icons on small screens, and to a bar at the bottom on phones. */
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { href } from "../components/address.ts";
import { Dialog } from "../components/dialog.tsx";
import { Icon } from "../components/icon.tsx";
import { ROUTES, type NavPlace, type PageRoute } from "../routes.ts";

type Listed = PageRoute & { readonly nav: NavPlace };
const LISTED = ROUTES.filter((route): route is Listed => route.nav !== undefined);

/** Whether a page lies at or below an address of the side bar. */
const isBelow = (path: string, page: string): boolean =>
  page === "/" ? path === "/" : path === page || path.startsWith(`${page}/`);

export function NavBar({ tenantName }: { readonly tenantName: string | undefined }) {
  const [path] = useLocation();
  const [isOpen, setOpen] = useState(false);
  const links = (className: (nav: NavPlace) => string, onClick?: () => void) =>
    LISTED.map(({ path: page, title, nav }) => (
      <Link
        key={page}
        className={className(nav)}
        href={href(page, { tenant: tenantName })}
        title={title}
        aria-current={isBelow(path, page) ? "page" : undefined}
        {...(onClick && { onClick })}
      >
        <Icon name={nav.icon} />
        <span>{title}</span>
      </Link>
    ));
  return (
    <div className="side">
      <nav aria-label="Pages">
        <Link className="brand" href={href("/", { tenant: tenantName })}>
          <Icon name="brand" size={18} />
          <span>Jobyard</span>
        </Link>
        {links(({ isLess }) => (isLess === true ? "nav-link less" : "nav-link"))}
        <button type="button" className="nav-link sheet-button" aria-label="More pages" onClick={() => setOpen(true)}>
          <Icon name="more" />
        </button>
      </nav>
      <Dialog title="Pages" isOpen={isOpen} onClose={() => setOpen(false)}>
        <nav className="sheet" aria-label="All pages">
          {links(
            () => "nav-link",
            () => setOpen(false),
          )}
        </nav>
      </Dialog>
    </div>
  );
}
