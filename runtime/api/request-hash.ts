/** Tells a repeated request from another one that came with the same key. */
import { createHash } from "node:crypto";
import { canonicalJson } from "../core/canonical-json.ts";

/** `request`: validated, so that what means the same is the same. */
export const requestHash = (appliesTo: "job" | "batch" | "timer-run", request: unknown): string =>
  createHash("sha256").update(canonicalJson({ appliesTo, request })).digest("hex");
