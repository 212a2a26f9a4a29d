/** `jobyard` in the test's own process, for what is not about processes: starting one costs a second. */
import { Readable } from "node:stream";
import { runCli } from "../../../runtime/cli/cli.ts";
import type { CliOptions, CliResult } from "./cli-process.ts";

/** As in cli-process.ts, except that paths must be absolute: the test's working directory is the command's. */
export async function runCliHere(
  args: readonly string[],
  { env = {}, input = "", columns = Infinity }: Pick<CliOptions, "env" | "input"> & { readonly columns?: number } = {},
): Promise<CliResult> {
  let stdout = "";
  let stderr = "";
  const code = await runCli(args, {
    env,
    input: Readable.from(Buffer.from(input)),
    terminal: {
      out: (text) => void (stdout += `${text}\n`),
      error: (text) => void (stderr += `${text}\n`),
      write: (text) => void (stdout += text),
      paint: (_style, text) => text,
      screen: undefined,
      columns,
    },
  });
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- a test knows what it asked for
  return { code, stdout, stderr, json: <T>() => JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as T };
}
