// BullMQ, pg-boss and graphile-worker behind one interface: submit, run, and tell the submitting process of every end.
// Each is set up as durable as it can be and as its documents recommend for speed.
import { Queue, QueueEvents, Worker } from "bullmq";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { PgBoss } from "pg-boss";

const QUEUE = "bench";
const CHUNK = 1_000;
const ATTEMPTS = 3;

async function inChunks(ids, insert) {
  for (let from = 0; from < ids.length; from += CHUNK) await insert(ids.slice(from, from + CHUNK));
}

// `sandbox`: each job runs in a child process that BullMQ keeps.
function bullmq({ redisPort, sandbox = false }) {
  const connection = { host: "127.0.0.1", port: redisPort, maxRetriesPerRequest: null };
  const options = (id) => ({ jobId: `j${id}`, attempts: ATTEMPTS });
  return {
    async openClient() {
      const queue = new Queue(QUEUE, { connection });
      const events = new QueueEvents(QUEUE, { connection });
      await queue.waitUntilReady();
      await events.waitUntilReady();
      return {
        reset: () => queue.obliterate({ force: true }),
        submit: (id) => queue.add("job", { id }, options(id)),
        submitMany: (ids) =>
          inChunks(ids, (some) => queue.addBulk(some.map((id) => ({ name: "job", data: { id }, opts: options(id) })))),
        onEnd: (hear) => events.on("completed", ({ jobId }) => hear(Number(jobId.slice(1)))),
        endedCount: () => queue.getCompletedCount(),
        async close() {
          await events.close();
          await queue.close();
        },
      };
    },
    async startWorker({ concurrency, handle }) {
      const processor = sandbox
        ? fileURLToPath(new URL("bullmq-processor.mjs", import.meta.url))
        : async ({ data }) => handle(data.id);
      const worker = new Worker(QUEUE, processor, { connection, concurrency, autorun: false });
      await worker.waitUntilReady();
      // A child tells in its result when its first line ran.
      if (sandbox) worker.on("completed", ({ data }, ranAt) => handle(data.id, ranAt));
      return () => void worker.run();
    },
  };
}

const uuidOf = (id) => `00000000-0000-4000-8000-${String(id).padStart(12, "0")}`;

// `batch`: takes many jobs at a time, which is faster and starts the first one later.
function pgBoss({ postgresUrl, batch = false }) {
  const open = async (max) => {
    const boss = new PgBoss({ connectionString: postgresUrl, max, useListenNotify: !batch });
    boss.on("error", (error) => console.error(error.message));
    await boss.start();
    return boss;
  };
  return {
    async openClient() {
      const boss = await open(32);
      const pool = new pg.Pool({ connectionString: postgresUrl, max: 4 });
      const listener = new pg.Client(postgresUrl);
      await listener.connect();
      return {
        async reset() {
          await boss.deleteQueue(QUEUE).catch(() => {});
          await boss.createQueue(QUEUE, { notify: !batch, retryLimit: ATTEMPTS - 1 });
        },
        submit: (id) => boss.send(QUEUE, { id }, { id: uuidOf(id) }),
        submitMany: (ids) =>
          inChunks(ids, (some) =>
            boss.insert(
              QUEUE,
              some.map((id) => ({ id: uuidOf(id), data: { id } })),
            ),
          ),
        // It tells other processes of no end, so the table does.
        async onEnd(hear) {
          await pool.query(`create or replace function pgboss.bench_ended() returns trigger language plpgsql as $$
            begin
              if new.state = 'completed' and new.name = '${QUEUE}' then
                perform pg_notify('bench_ended', new.data->>'id');
              end if;
              return null;
            end $$`);
          await pool.query("drop trigger if exists bench_ended on pgboss.job");
          await pool.query(`create trigger bench_ended after update of state on pgboss.job
            for each row execute function pgboss.bench_ended()`);
          listener.on("notification", ({ payload }) => hear(Number(payload)));
          await listener.query("listen bench_ended");
        },
        // Not part of the work that is measured under load.
        stopTelling: () => pool.query("drop trigger if exists bench_ended on pgboss.job"),
        async endedCount() {
          const ended = "select count(*) as count from pgboss.job where name = $1 and state = 'completed'";
          return Number((await pool.query(ended, [QUEUE])).rows[0].count);
        },
        async close() {
          await listener.end();
          await boss.stop({ graceful: false });
          await pool.end();
        },
      };
    },
    async startWorker({ concurrency, handle }) {
      const boss = await open(10);
      return () =>
        batch
          ? boss.work(
              QUEUE,
              { batchSize: concurrency, burstWhenBatchFull: true, perJobResults: true, pollingIntervalSeconds: 0.5 },
              (jobs) =>
                Promise.all(
                  jobs.map(async ({ id, data }) => ({ id, status: "completed", output: await handle(data.id) })),
                ),
            )
          : boss.work(
              QUEUE,
              { localConcurrency: concurrency, pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 30 },
              ([{ data }]) => handle(data.id),
            );
    },
  };
}

// Without these it advises to add them. A broken connection shows in the call that needs it.
function poolOf(options) {
  const ignore = () => {};
  return new pg.Pool(options).on("error", ignore).on("connect", (client) => client.on("error", ignore));
}

const quiet = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

// It deletes the rows of jobs that succeed.
function graphile({ postgresUrl }) {
  return {
    async openClient() {
      const pool = poolOf({ connectionString: postgresUrl, max: 32 });
      const utils = await makeWorkerUtils({ pgPool: pool, logger: quiet });
      await utils.migrate();
      const listener = new pg.Client(postgresUrl);
      await listener.connect();
      let submittedCount = 0;
      return {
        async reset() {
          submittedCount = 0;
          await pool.query("truncate graphile_worker._private_jobs");
        },
        submit(id) {
          submittedCount++;
          return utils.addJob(QUEUE, { id }, { maxAttempts: ATTEMPTS });
        },
        submitMany(ids) {
          submittedCount += ids.length;
          return inChunks(ids, (some) =>
            utils.addJobs(some.map((id) => ({ identifier: QUEUE, payload: { id }, maxAttempts: ATTEMPTS }))),
          );
        },
        // It tells other processes of no end, so the table does.
        async onEnd(hear) {
          await pool.query(`create or replace function graphile_worker.bench_ended() returns trigger language plpgsql as $$
            begin
              perform pg_notify('bench_ended', old.payload->>'id');
              return null;
            end $$`);
          await pool.query("drop trigger if exists bench_ended on graphile_worker._private_jobs");
          await pool.query(`create trigger bench_ended after delete on graphile_worker._private_jobs
            for each row execute function graphile_worker.bench_ended()`);
          listener.on("notification", ({ payload }) => hear(Number(payload)));
          await listener.query("listen bench_ended");
        },
        stopTelling: () => pool.query("drop trigger if exists bench_ended on graphile_worker._private_jobs"),
        async endedCount() {
          const { rows } = await pool.query("select count(*) as count from graphile_worker._private_jobs");
          return submittedCount - Number(rows[0].count);
        },
        async close() {
          await listener.end();
          await utils.release();
          await pool.end();
        },
      };
    },
    async startWorker({ concurrency, handle }) {
      const pgPool = poolOf({ connectionString: postgresUrl, max: Math.min(concurrency + 2, 40) });
      const taskList = { [QUEUE]: async ({ id }) => void (await handle(id)) };
      return () => run({ pgPool, logger: quiet, noHandleSignals: true, concurrency, pollInterval: 2_000, taskList });
    },
  };
}

export const ADAPTERS = {
  bullmq,
  "bullmq-sandbox": (options) => bullmq({ ...options, sandbox: true }),
  "pg-boss": pgBoss,
  "pg-boss-batch": (options) => pgBoss({ ...options, batch: true }),
  graphile,
};
