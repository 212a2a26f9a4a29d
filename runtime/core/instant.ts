/** Instants as stored JSON has them. */
import * as z from "zod";

/** ISO 8601 in UTC becomes a Date. */
export const instantSchema = z.iso.datetime().transform((text) => new Date(text));
