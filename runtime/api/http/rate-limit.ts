/**
 * Limits on requests: of one caller per minute and at a time, and of one address with refused tokens. Each API instance counts
 * for itself, so with N instances the limits are up to N times as high.
 */
import { isIP } from "node:net";
import type { Request, RequestHandler, Response } from "express";
import { MemoryStore, type Options, ipKeyGenerator, rateLimit } from "express-rate-limit";
import { TooManyRequestsError } from "../../core/errors.ts";
import { PLACE_RETRY_AFTER_S, REFUSED_TOKENS_PER_MINUTE, REQUESTS_AT_ONCE_MAX_COUNT } from "../../core/limits.ts";
import { callerOf } from "../auth/caller.ts";

const MINUTE_MS = 60_000;

export interface CallerLimit {
  /** Runs when the caller is known. Counts the request, and holds a place for it while it is running. */
  readonly handler: RequestHandler;
  /** The key by which the caller of this request is counted. */
  keyOf(request: Request, response: Response): string;
  /** Counts a message on a connection as a request. Throws TooManyRequestsError. */
  spend(key: string): Promise<void>;
}

export function createCallerLimit(requestsPerMinute: number): CallerLimit {
  const store = new MemoryStore();
  const keyOf = (request: Request, response: Response): string =>
    callerOf(response).identity?.principalId ?? addressKeyOf(request);
  const count = rateLimit({
    ...common,
    store,
    limit: requestsPerMinute,
    identifier: "caller",
    keyGenerator: keyOf,
    message: TOO_OFTEN,
  });
  const atOnce = createShares({
    what: "running requests",
    maxCount: Infinity,
    maxPerCaller: REQUESTS_AT_ONCE_MAX_COUNT,
  });
  return {
    keyOf,
    async handler(request, response, next) {
      await takeOff(response)?.();
      await count(request, response, (error?: unknown) => {
        if (error !== undefined) {
          next(error);
          return;
        }
        const leave = atOnce.take(keyOf(request, response));
        response.locals[LEAVE] = leave;
        // The client may have disconnected meanwhile.
        if (response.closed) leave();
        else response.once("close", leave);
        next();
      });
    },
    async spend(key) {
      const { totalHits, resetTime } = await store.increment(key);
      if (totalHits <= requestsPerMinute) return;
      const ms = Math.max(1_000, (resetTime?.getTime() ?? Date.now() + MINUTE_MS) - Date.now());
      const retryAfterS = Math.ceil(ms / 1_000);
      throw new TooManyRequestsError(`${TOO_OFTEN}. Retry in ${retryAfterS} s.`, { retryAfterS });
    },
  };
}

const TOO_OFTEN = "You have sent too many requests";
const LEAVE = "leaveRequestsUnderWay";

/** Gives back the place of a request that has become a stream or a WebSocket, which have places of their own. */
export function leaveRequests(response: Response): void {
  const { [LEAVE]: leave } = response.locals as { readonly [LEAVE]?: () => void };
  leave?.();
}

/**
 * Runs before a token is checked, so that guessing tokens costs little. A request counts until its caller is known, or until it
 * is answered with anything but 401: a stream has no answer for an hour, and a client that disconnects has none at all.
 */
export function limitStrangers(refusedPerMinute = REFUSED_TOKENS_PER_MINUTE): RequestHandler {
  const store = new MemoryStore();
  const count = rateLimit({
    ...common,
    store,
    limit: refusedPerMinute,
    identifier: "address",
    keyGenerator: (request) => addressKeyOf(request),
    skipSuccessfulRequests: true,
    requestWasSuccessful: (_request, response) => response.statusCode !== 401 && takeOff(response) !== undefined,
    message: "Too many requests with refused tokens",
  });
  return async (request, response, next) => {
    response.locals[TAKE_OFF] = () => store.decrement(addressOf(request));
    await count(request, response, next);
  };
}

const TAKE_OFF = "takeOffStrangers";

/** Removes a request from the count of its address, once. */
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
    next(new TooManyRequestsError(`${String(message)}. Retry in ${seconds} s.`));
  },
} satisfies Partial<Options>;

/** App Service adds the port of the client to the address it forwards. */
function addressKeyOf(request: Request): string {
  const address = addressOf(request);
  return isIP(address) === 0 ? address : ipKeyGenerator(address);
}

/** Proxies may add the port. */
export const addressOf = ({ ip = "" }: Request): string =>
  isIP(ip) === 0 ? ip.replace(/^\[(.*)\]:\d+$/, "$1").replace(/^([\d.]+):\d+$/, "$1") : ip;

// --- Places that callers share: a number in all, and a number for one caller --------------------------------------------

export interface Shares {
  /** Places that are taken. */
  readonly count: number;
  /** Throws TooManyRequestsError. The returned function gives the place back, once. */
  take(callerKey: string): () => void;
}

export interface SharesOptions {
  /** In the plural, for people. */
  readonly what: string;
  readonly maxCount: number;
  readonly maxPerCaller: number;
}

export function createShares({ what, maxCount, maxPerCaller }: SharesOptions): Shares {
  const taken = new Map<string, number>();
  let count = 0;

  return {
    get count() {
      return count;
    },
    take(callerKey) {
      const own = taken.get(callerKey) ?? 0;
      if (own >= maxPerCaller) {
        throw tooMany(`You have ${own} ${what} at this instance, which is the limit. End one, or retry later.`);
      }
      if (count >= maxCount) throw tooMany(`This instance has ${count} ${what}, which is its limit. Retry later.`);
      taken.set(callerKey, own + 1);
      count++;
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        count--;
        const left = (taken.get(callerKey) ?? 1) - 1;
        if (left === 0) taken.delete(callerKey);
        else taken.set(callerKey, left);
      };
    },
  };
}

const tooMany = (message: string): TooManyRequestsError =>
  new TooManyRequestsError(message, { retryAfterS: PLACE_RETRY_AFTER_S });
