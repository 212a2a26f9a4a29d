/** The one name a time zone has in a manifest, whatever its author calls it. */
import { findIana, WINDOWS_TO_IANA_MAP } from "windows-iana";
import { z } from "zod";
import { scheduleProblem } from "../../core/package/manifest-timers.ts";
import { zoneOf } from "../../core/schedule/zone.ts";

/** Area and place: the form of names that last. Others (`US/Pacific`, `Turkey`, `EST`) are kept for old programs only. */
const AREA_AND_PLACE = /^(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)\/[A-Z]/;

const windowsNames = new Map(WINDOWS_TO_IANA_MAP.map(({ windowsName }) => [windowsName.toLowerCase(), windowsName]));

/**
 * The IANA name of a zone that is named by IANA, by Windows, or by a link to another name. Throws ScheduleError for what
 * is none of these.
 */
function ianaZoneOf(given: string): string {
  const name = given.trim();
  const windowsName = windowsNames.get(name.toLowerCase());
  // Windows' "UTC" is IANA's as well.
  const [found = name] = windowsName === undefined || windowsName === "UTC" ? [] : findIana(windowsName);
  zoneOf(found);
  if (AREA_AND_PLACE.test(found)) return found;
  return new Intl.DateTimeFormat("en-US", { timeZone: found }).resolvedOptions().timeZone;
}

/** What an author may write, read as the name that belongs into a manifest. */
export const timeZoneSchema = z
  .string("expected a time zone such as Europe/Vienna")
  .transform((given, context): string => {
    const message = scheduleProblem(() => ianaZoneOf(given));
    if (message === undefined) return ianaZoneOf(given);
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
