/** Headers that keep a browser from doing with an answer what only a page of ours may be used for. */
import type { RequestHandler } from "express";
import helmet from "helmet";

/** For answers that are data. The pages the API serves set a policy of their own. */
export const securityHeaders: RequestHandler = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
  },
  // Who may read an answer across origins is decided by CORS alone.
  crossOriginResourcePolicy: { policy: "same-site" },
});

/** What a caller may see is nobody else's: caches between us ask each time, with the ETag. */
export const privateAnswers: RequestHandler = (_request, response, next) => {
  response.set("Cache-Control", "private, no-cache");
  response.vary("Authorization");
  next();
};
