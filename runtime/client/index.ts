/** The exports of `jobyard/client`, for Node and browsers. They depend only on `fetch`. */
export { JobServiceClient } from "./client.ts";
export type { JobServiceClientOptions } from "./client.ts";
export { clientSecretCredential, refreshTokenCredential, signInWithDeviceCode } from "./credential.ts";
export type {
  AccessToken,
  ClientSecretOptions,
  DeviceCodeOptions,
  RefreshOptions,
  TokenCredential,
} from "./credential.ts";
export { isJobServiceError, JobServiceError } from "./job-service-error.ts";
export type { ClientErrorCode, JobServiceErrorCode, NetworkReason } from "./job-service-error.ts";
export type { EventSelection } from "./follow-events.ts";
export type { JobEventName, JobEvents } from "./notifications.ts";
export type { FollowLogOptions, ReadLogOptions } from "./log.ts";
export type { Management, PublishOptions, SubmitOptions } from "./management.ts";
export type {
  ListAuditOptions,
  FindJobsOptions,
  ListDeadLettersOptions,
  ListJobsOptions,
  Monitoring,
  OpenedArtifact,
} from "./monitoring.ts";
export type { Listener, NotificationEvents, Notifications } from "./notifications.ts";
export type { DeviceCode, IssuerOptions } from "./oauth.ts";
export type { Listing, PageOptions, PageView } from "./listing.ts";
export type { Pauses } from "./pauses.ts";
export type { RetryOptions } from "./with-retries.ts";
export { finishSignIn, signInWithBrowser, startSignIn } from "./sign-in-with-browser.ts";
export type {
  BrowserSignIn,
  BrowserSignInOptions,
  SignedInUser,
  StartedSignIn,
  StartSignInOptions,
} from "./sign-in-with-browser.ts";
export type { SubmissionSource, SubmitJobsOptions, SubmittedJob } from "./submit-lines.ts";
export type { NextOptions, RunTimerOptions, TimerReference, Timers } from "./timer-management.ts";
export type { ExportLinesOptions, ExportOptions } from "./export.ts";
export type { CallOptions, Fetch, Request as ServiceRequest } from "./transport.ts";
export type { TypedJob, TypedJobView, TypedSubmission } from "./typed-job.ts";
export type { EntraFacts } from "./trusted-authority.ts";
export type { OnUploadProgress, UploadProgress } from "./management.ts";
export { verifyWebhook, WebhookRefusedError } from "./verify-webhook.ts";
export type { VerifiedWebhook, VerifyWebhookOptions, WebhookHeaders, WebhookRefusal } from "./verify-webhook.ts";
export type { WaitForBatchOptions, WaitForJobOptions, WaitOptions } from "./wait.ts";
export type { AuthFacts } from "../core/http/auth-facts.ts";
export type { ErrorDetail } from "../core/errors.ts";
export type {
  BatchCompleted,
  JobCompleted,
  JobProgressed,
  JobQueued,
  JobRetrying,
  JobStarted,
} from "../core/job/events.ts";
export type { AuditEntryView } from "../core/http/audit-api.ts";
export type { ActionView, StartActionBody } from "../core/http/action-api.ts";
export type { ErasureView } from "../core/http/erasure-api.ts";
export type { OverviewView } from "../core/http/overview-api.ts";
export type { IdentityGrantView, PutIdentityGrantBody } from "../core/http/identity-api.ts";
export type {
  PackageJobView,
  PackageVersionView,
  PackageView,
  PublishedPackageView,
} from "../core/http/package-api.ts";
export type {
  CreateBatchBody,
  JobFilterFields,
  JobSubmission,
  RequeueBatchBody,
  RescheduleJobBody,
  SubmitJobBody,
} from "../core/http/requests.ts";
export type { PauseView, PutPauseBody } from "../core/http/pause-api.ts";
export type { PauseSubject } from "../core/admission/pause.ts";
export type { PutQuotasBody, QuotaView } from "../core/http/quota-api.ts";
export type { PutSettingBody, SettingView } from "../core/http/setting-api.ts";
export type { JobShape, OutputOf, ParametersOf } from "../core/job/job-shape.ts";
export type { JobState } from "../core/job/states.ts";
export type { PutRetentionBody, RetentionView } from "../core/http/retention-api.ts";
export type { GrantView, MeView, PutGrantBody, TenantView } from "../core/http/tenant-api.ts";
export type { TimerView } from "../core/http/timer-api.ts";
export type {
  ArtifactView,
  BatchView,
  DeadLetterView,
  JobView,
  RequeueResult,
  SubmitResult,
} from "../core/http/views.ts";
export type {
  PutWebhookBody,
  WebhookBatchCompleted,
  WebhookDeliveryView,
  WebhookJobsFailed,
  WebhookMessage,
  WebhookPing,
  WebhookQuotaFull,
  WebhookTestView,
  WebhookTimerMissed,
  WebhookView,
  WebhookWithSecret,
} from "../core/http/webhook-api.ts";
export type { ProgramView, SystemView } from "../core/http/system-api.ts";
export type { WorkerView } from "../core/http/worker-api.ts";
