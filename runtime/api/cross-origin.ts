/** Which web pages of other origins may call the API from a browser: those that are configured, no other. */
import cors from "cors";
import type { RequestHandler } from "express";

/** What a page may read of an answer beside its body. */
const EXPOSED = [
  "ETag",
  "Location",
  "Retry-After",
  "RateLimit",
  "RateLimit-Policy",
  "x-request-id",
  "Idempotency-Replayed",
];
/** Seconds a browser remembers what it was told. Two hours is the most that all of them honour. */
const REMEMBERED_S = 7_200;

/** `origins` exactly as browsers send them, `https://app.example.com`; at least one. */
export const crossOrigin = (origins: readonly string[]): RequestHandler =>
  cors({
    origin: [...origins],
    methods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
    exposedHeaders: EXPOSED,
    maxAge: REMEMBERED_S,
    // SignalR's client asks with credentials, and then the origin must be named, as it is here.
    credentials: true,
  });
