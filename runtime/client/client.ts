/** The client of the service: management, monitoring, timers, pauses, notifications, waiting. */
import type { AuthFacts } from "../core/http/auth-facts.ts";
import type { BatchView, JobView } from "../core/http/views.ts";
import type { JobShape } from "../core/job/job-shape.ts";
import { type TokenCredential, clientSecretCredential } from "./credential.ts";
import { JobServiceError } from "./job-service-error.ts";
import { type Management, createManagement } from "./management.ts";
import { type Monitoring, createMonitoring } from "./monitoring.ts";
import { type Notifications, createNotifications } from "./notifications.ts";
import { type Pauses, createPauses } from "./pauses.ts";
import { type RetryOptions, callRetryPolicy } from "./with-retries.ts";
import { type Timers, createTimers } from "./timer-management.ts";
import { type TokenCache, type TokenOptions, createTokenCache } from "./token-cache.ts";
import { type CallOptions, type Fetch, type Request, type Transport, createTransport } from "./transport.ts";
import { type EntraFacts, assertOwnScopes, isPrivate } from "./trusted-authority.ts";
import { type TypedJob, createTypedJob } from "./typed-job.ts";
import { type WaitForBatchOptions, type WaitForJobOptions, createWaits } from "./wait.ts";

export interface JobServiceClientOptions {
  /** The caller's credential. Without one, requests carry no token until `authenticate`. */
  readonly credential?: TokenCredential | undefined;
  readonly retry?: RetryOptions | undefined;
  /**
   * Time to wait for a response before the request is repeated. Default 100,000: commands on large batches take a
   * minute.
   */
  readonly answerWithinMs?: number | undefined;
  /**
   * An issuer that may receive the secret of `authenticate`, `https://…`. Not needed for Microsoft's issuers and for
   * one on this machine: the service names those.
   */
  readonly authority?: string | undefined;
  /**
   * Client id of the service's registration. A service that names another one gets no token. Default: the one that it
   * names. Without this option a hostile service could request tokens of another API that your credential may use.
   */
  readonly apiClientId?: string | undefined;
  /** Sends every request, also to the issuer. Default: the platform's `fetch`. */
  readonly fetch?: Fetch | undefined;
}

const ANSWER_WITHIN_MS = 100_000;

export class JobServiceClient {
  readonly management: Management;
  readonly monitoring: Monitoring;
  readonly timers: Timers;
  readonly pauses: Pauses;
  readonly notifications: Notifications;
  readonly #transport: Transport;
  readonly #fetch: Fetch;
  readonly #authority: string | undefined;
  readonly #apiClientId: string | undefined;
  /** Whether tokens can be sent there securely. */
  readonly #isPrivate: boolean;
  readonly #waits: ReturnType<typeof createWaits>;
  #tokens: TokenCache | undefined;
  #facts: Promise<AuthFacts> | undefined;

  /**
   * `baseUrl`: the service's address, with or without a trailing slash. Sends no request. Throws TypeError for an
   * invalid URL.
   */
  constructor(baseUrl: string, options: JobServiceClientOptions = {}) {
    const url = new URL(baseUrl);
    const { protocol, origin, pathname } = url;
    if (protocol !== "https:" && protocol !== "http:")
      throw new TypeError(`${baseUrl} must be an http or https address.`);
    this.#isPrivate = isPrivate(url);
    this.#authority = options.authority;
    this.#apiClientId = options.apiClientId;
    // Called as a plain function, because browsers require it.
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#transport = createTransport({
      baseUrl: `${origin}${pathname.replace(/\/+$/, "")}`,
      fetch: this.#fetch,
      policy: callRetryPolicy(options.retry),
      answerWithinMs: options.answerWithinMs ?? ANSWER_WITHIN_MS,
      authorize: (token) => this.#authorize(token),
    });
    this.monitoring = createMonitoring(this.#transport);
    this.management = createManagement(this.#transport, this.monitoring);
    this.timers = createTimers(this.#transport);
    this.pauses = createPauses(this.#transport);
    this.notifications = createNotifications({ transport: this.#transport });
    this.#waits = createWaits({ transport: this.#transport, monitoring: this.monitoring });
    if (options.credential !== undefined) this.#use(options.credential);
  }

  /**
   * Signs in as an application with its secret and requests a first token. Throws SignInFailed if the issuer refuses,
   * or if the service names an issuer that must not receive the secret. A service without authentication needs no
   * sign-in.
   */
  async authenticate(clientId: string, clientSecret: string, options: CallOptions = {}): Promise<void> {
    const facts = await this.getAuthFacts(options);
    if (facts.kind === "none") return;
    this.#assertTrusted(facts);
    const secret = { clientId, clientSecret, authority: this.#authority };
    const tokens = this.#use(clientSecretCredential(facts, secret, this.#fetch));
    await tokens(options);
  }

  /** How to sign in, as reported by the service. Requested once. */
  getAuthFacts({ signal }: CallOptions = {}): Promise<AuthFacts> {
    if (this.#facts === undefined) {
      this.#facts = this.#transport.json<AuthFacts>({ path: "/v1/auth", anonymous: true, signal });
      this.#facts.catch(() => (this.#facts = undefined));
    }
    return this.#facts;
  }

  /**
   * One request with the caller's token, for what has no method of its own. It is not repeated. Resolves to the response
   * with its body unread. Throws the service's error, and NetworkFailed.
   */
  call(request: Request): Promise<Response> {
    return this.#transport.open(request);
  }

  /** Resolves to the job when it has ended, in any state. Uses events if they arrive, and polls otherwise. */
  waitForJob(jobId: string, options?: WaitForJobOptions): Promise<JobView> {
    return this.#waits.waitForJob(jobId, options);
  }

  /** Resolves to the batch, with its counts, when it has jobs and all of them have ended. */
  waitForBatch(batchId: string, options?: WaitForBatchOptions): Promise<BatchView> {
    return this.#waits.waitForBatch(batchId, options);
  }

  /**
   * Jobs of this type, with the types of their declaration. Import it as a type, so that no code of the package comes along:
   *
   * ```ts
   * import type thumbnails from "../packages/thumbnails/src/thumbnails.ts";
   * const jobId = await client.job<typeof thumbnails>("Thumbnails").submit({ …, parameters: { image, sizes: [64] } });
   * ```
   */
  job<Shape extends JobShape>(jobType: string): TypedJob<Shape> {
    return createTypedJob<Shape>(jobType, {
      submitJob: (...given) => this.management.submitJob(...given),
      waitForJob: (...given) => this.waitForJob(...given),
    });
  }

  async #authorize(options: TokenOptions): Promise<string | undefined> {
    if (this.#tokens === undefined) return undefined;
    const facts = await this.getAuthFacts();
    if (facts.kind === "none") return undefined;
    this.#assertTrusted(facts);
    return `Bearer ${await this.#tokens(options)}`;
  }

  /** Runs before any credential is used. */
  #assertTrusted(facts: EntraFacts): void {
    assertOwnScopes(facts);
    if (this.#apiClientId !== undefined && this.#apiClientId.toLowerCase() !== facts.clientId.toLowerCase()) {
      throw new JobServiceError(
        "SignInFailed",
        `The service names another application, ${facts.clientId}. No token was sent. Check apiClientId.`,
      );
    }
    if (this.#isPrivate) return;
    throw new JobServiceError("SignInFailed", "The service's address uses plain http. No token was sent. Use https.");
  }

  #use(credential: TokenCredential): TokenCache {
    const scope = async (): Promise<string> => {
      const facts = await this.getAuthFacts();
      if (facts.kind === "entra") return facts.applicationScope;
      throw new JobServiceError("SignInFailed", "The service runs without authentication and has no issuer.");
    };
    this.#tokens = createTokenCache({ credential, scope, policy: this.#transport.policy });
    return this.#tokens;
  }
}
