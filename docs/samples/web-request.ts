/**
 * A web application that submits a job from a form and shows its progress on a page, without waiting in a request.
 *
 *   JOBYARD_URL=http://127.0.0.1:7070 JOBYARD_CLIENT_ID=… JOBYARD_CLIENT_SECRET=… PORT=3000 node docs/samples/web-request.ts
 */
import { randomUUID } from "node:crypto";
import express, { type ErrorRequestHandler, type RequestHandler } from "express";
import { isJobServiceError, JobServiceClient, type JobView } from "jobyard/client";

const { JOBYARD_URL = "", JOBYARD_CLIENT_ID = "", JOBYARD_CLIENT_SECRET = "", PORT = "3000" } = process.env;
const { TENANT: tenantName = "demo" } = process.env;
const client = new JobServiceClient(JOBYARD_URL);
if (JOBYARD_CLIENT_ID !== "") await client.authenticate(JOBYARD_CLIENT_ID, JOBYARD_CLIENT_SECRET);

/**
 * The form has the id of the report that it will make, and the job has it as `clientJobId`: a double click, a reload and
 * a retry submit the same job. Nothing has to be stored here, so any instance can answer, also after a restart.
 */
const showForm: RequestHandler = (_request, response) => {
  response.send(`<!doctype html><title>Reports</title>
    <form method="post" action="/reports">
      <input type="hidden" name="id" value="${randomUUID()}">
      <label>Year <input name="year" value="2025"></label> <button>Make the report</button>
    </form>`);
};

/** Answers as soon as the job is accepted. */
const submitReport: RequestHandler = async (request, response) => {
  const { id, year } = request.body as Partial<Record<string, string>>;
  if (id === undefined || !ID.test(id) || year === undefined || !/^[0-9]{4}$/.test(year)) {
    response.status(422).send("A report needs a year, as 2025. Go back and correct it.");
    return;
  }
  await client.management.submitJob({
    tenantName,
    clientJobId: id,
    jobType: "FinancialYearEnd",
    jobName: `Report ${year}`,
    jobProcessorPackageName: "financial-year-end.zip",
    parameters: { year: Number(year) },
  });
  response.redirect(303, `/reports/${id}`);
};

const ID = /^[0-9a-f-]{36}$/;

/** Whoever knows the id sees the report. A real application also checks that it belongs to the signed-in user. */
const showReport: RequestHandler<{ id: string }> = async ({ params: { id } }, response) => {
  await client.monitoring.getClientJob(tenantName, id);
  response.send(`<!doctype html><title>Your report</title>
    <h1>Your report</h1>
    <progress id="bar"></progress> <output id="text"></output>
    <script>
      const source = new EventSource(location.pathname + "/events");
      source.onmessage = ({ data }) => {
        const { fraction, text, isOver } = JSON.parse(data);
        if (fraction !== undefined) document.getElementById("bar").value = fraction;
        document.getElementById("text").textContent = text;
        // Otherwise the browser would connect again.
        if (isOver) source.close();
      };
    </script>`);
};

/** Progress as server-sent events, until the job has ended or the browser has gone. */
const sendProgress: RequestHandler<{ id: string }> = async ({ params: { id } }, response) => {
  const { jobId } = await client.monitoring.getClientJob(tenantName, id);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  let sent = "";
  const onLook = (job: JobView): void => {
    const data = JSON.stringify(seenBy(job));
    if (data !== sent) response.write(`data: ${(sent = data)}\n\n`);
  };
  try {
    // Follows events of the service, and looks this often while none arrive.
    await client.waitForJob(jobId, { signal: gone.signal, lookEveryMs: 1_000, onLook });
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  }
  response.end();
};

/** What a person may see of a job. Failures are for the operator, except those that the job writes for its submitter. */
function seenBy({ state, progress, output, failure }: JobView) {
  const isOver = state === "succeeded" || state === "failed" || state === "canceled";
  const text = {
    queued: "It will start soon.",
    running: progress?.text ?? "It has started.",
    succeeded: `It is ready: ${JSON.stringify(output)}`,
    failed: failure?.retryable === false ? failure.message : "It has failed. We look into it.",
    canceled: "It was canceled.",
  }[state];
  return { fraction: state === "succeeded" ? 1 : progress?.fraction, text, isOver };
}

const onError: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  console.error(error);
  // The browser sees that the events break off, and connects again.
  if (response.headersSent) next(error);
  else if (isJobServiceError(error) && error.code === "JobNotFound")
    response.status(404).send("There is no such report.");
  else if (isJobServiceError(error) && error.retryable) response.status(503).send("Please try again in a minute.");
  else response.status(500).send("Something went wrong. We look into it.");
};

const app = express()
  .get("/", showForm)
  .post("/reports", express.urlencoded({ extended: false }), submitReport)
  .get("/reports/:id", showReport)
  .get("/reports/:id/events", sendProgress)
  .use(onError);

const server = app.listen(Number(PORT), "127.0.0.1", () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === "object" ? address?.port : PORT}`);
});
