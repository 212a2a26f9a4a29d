/** Converts an author's name of a time zone to the one name used in manifests. */
import { findIana, WINDOWS_TO_IANA_MAP } from "windows-iana";
import { z } from "zod";
import { scheduleProblem } from "../../core/package/manifest-timers.ts";
import { zoneOf } from "../../core/schedule/zone.ts";

/** Area and place, the permanent form of names. Others (`US/Pacific`, `Turkey`, `EST`) exist only for old programs. */
const AREA_AND_PLACE = /^(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)\/[A-Z]/;

const windowsNames = new Map(WINDOWS_TO_IANA_MAP.map(({ windowsName }) => [windowsName.toLowerCase(), windowsName]));

/**
 * The IANA name of a zone, given by its IANA name, its Windows name, or a link to another name. Throws ScheduleError for
 * other names.
 */
function ianaZoneOf(given: string): string {
  const name = given.trim();
  const windowsName = windowsNames.get(name.toLowerCase());
  // Windows and IANA both have "UTC".
  const [found = name] = windowsName === undefined || windowsName === "UTC" ? [] : findIana(windowsName);
  zoneOf(found);
  if (AREA_AND_PLACE.test(found)) return found;
  return new Intl.DateTimeFormat("en-US", { timeZone: found }).resolvedOptions().timeZone;
}

/** An author's name of a zone, converted to the name for the manifest. */
export const authorTimeZoneSchema = z
  .string("expected a time zone such as Europe/Vienna")
  .transform((given, context): string => {
    const message = scheduleProblem(() => ianaZoneOf(given));
    if (message === undefined) return ianaZoneOf(given);
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
