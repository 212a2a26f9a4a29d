/**
 * How often one caller may ask, and how often one address may come with a token that is refused. Counted by each API
 * instance for itself: with N instances behind one address the limits are up to N times as high.
 */
import { isIP } from "node:net";
import type { Request, RequestHandler, Response } from "express";
import { ipKeyGenerator, MemoryStore, rateLimit, type Options } from "express-rate-limit";
import { TooManyRequestsError } from "../core/errors.ts";
import { REFUSED_TOKENS_PER_MINUTE } from "../core/limits.ts";
import { callerOf } from "./caller.ts";

const MINUTE_MS = 60_000;

/** Stands after the caller is known. */
export function limitCaller(requestsPerMinute: number): RequestHandler {
  const count = rateLimit({
    ...common,
    limit: requestsPerMinute,
    identifier: "caller",
    keyGenerator: (request, response) => callerOf(response).identity?.principalId ?? addressOf(request),
    message: "You ask too often",
  });
  return async (request, response, next) => {
    await takeOff(response)?.();
    await count(request, response, next);
  };
}

/**
 * Stands before a token is looked at: whoever guesses tokens is not given our time. Every request counts until its caller
 * is known or it is answered with anything but a refusal: what is followed has no end for an hour, and a caller who leaves
 * early gets no answer.
 */
export function limitStrangers(refusedPerMinute = REFUSED_TOKENS_PER_MINUTE): RequestHandler {
  const store = new MemoryStore();
  const count = rateLimit({
    ...common,
    store,
    limit: refusedPerMinute,
    identifier: "address",
    keyGenerator: (request) => addressOf(request),
    skipSuccessfulRequests: true,
    requestWasSuccessful: (_request, response) => response.statusCode !== 401 && takeOff(response) !== undefined,
    message: "Too many requests with a token that is refused",
  });
  return async (request, response, next) => {
    response.locals[TAKE_OFF] = () => store.decrement(addressOf(request));
    await count(request, response, next);
  };
}

const TAKE_OFF = "takeOffStrangers";

/** What takes a request off the count of strangers, once. */
function takeOff(response: Response): (() => Promise<void>) | undefined {
  const { [TAKE_OFF]: take } = response.locals as { readonly [TAKE_OFF]?: () => Promise<void> };
  response.locals[TAKE_OFF] = undefined;
  return take;
}

const common = {
  windowMs: MINUTE_MS,
  standardHeaders: "draft-8",
  legacyHeaders: false,
  validate: { keyGeneratorIpFallback: false },
  handler: (_request, response, next, { message }) => {
    const seconds = Number(response.get("Retry-After") ?? MINUTE_MS / 1_000);
    next(new TooManyRequestsError(`${String(message)}; try again in ${seconds} s.`));
  },
} satisfies Partial<Options>;

/** App Service adds the port of the client to the address it forwards. */
function addressOf({ ip = "" }: Request): string {
  const address = isIP(ip) === 0 ? ip.replace(/^\[(.*)\]:\d+$/, "$1").replace(/^([\d.]+):\d+$/, "$1") : ip;
  return isIP(address) === 0 ? address : ipKeyGenerator(address);
}
