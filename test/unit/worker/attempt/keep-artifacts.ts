/** Keeps the artifacts of a folder as the user it is started as, and prints what came of it: paths put, and the report. */
import { keepArtifacts } from "../../../../runtime/worker/output/artifacts.ts";

const [path = "", owner = String(process.getuid?.())] = process.argv.slice(2);
const put: string[] = [];
const kept = await keepArtifacts(
  { jobId: "j1", claimId: "c1", output: { path, owner: Number(owner) } },
  {
    put: async (_jobId, _claimId, name, { bytes, read }) => {
      await read(0, bytes);
      put.push(name);
    },
    monotonicNow: () => performance.now(),
    signal: new AbortController().signal,
  },
);
process.stdout.write(JSON.stringify({ ...kept, put }));
