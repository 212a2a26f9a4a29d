/** Drives the operations that answer whatever is away, unless it is what finds out who calls. */
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { type WireRequest, get, post } from "./wire.ts";

/** `refused`: the same request, whose caller is met with this error. */
export function systemDrivers(refused: (request: WireRequest, error: Error) => WireRequest) {
  const broken = (request: WireRequest) => ({
    500: () => refused(request, new TypeError("secret: cannot read properties of undefined")),
  });
  const failing = (request: WireRequest) => ({
    ...broken(request),
    503: () => refused(request, new UnavailableError("IdentityUnavailable", "The issuer does not answer.")),
  });
  const read = get("/v1/system/programs/worker-1/console");
  const restart = post("/v1/system/programs/worker-1/restart");
  return {
    getMe: { 200: () => get("/v1/me"), ...failing(get("/v1/me")) },
    getAuth: { 200: () => get("/v1/auth"), ...broken(get("/v1/auth")) },
    getSystem: { 200: () => get("/v1/system"), ...failing(get("/v1/system")) },
    getConsole: {
      200: () => read,
      404: () => get("/v1/system/programs/nobody/console"),
      ...failing(read),
    },
    restartProgram: {
      202: () => restart,
      404: () => post("/v1/system/programs/nobody/restart"),
      ...failing(restart),
    },
  };
}
