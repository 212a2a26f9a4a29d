/** The `jobyard` command: its subcommands, what surrounds them, and what the exit code says. */
import { Command, CommanderError } from "commander";
import { isJobServiceError } from "../client/index.ts";
import { messageOf } from "../core/errors.ts";
import { artifactsCommand } from "./commands/artifacts.ts";
import { batchesCommand } from "./commands/batches.ts";
import { cancelCommand } from "./commands/cancel.ts";
import { deadLettersCommand } from "./commands/dead-letters.ts";
import { grantsCommand } from "./commands/grants.ts";
import { initCommand } from "./commands/init.ts";
import { jobsCommand } from "./commands/jobs.ts";
import { loginCommand, logoutCommand } from "./commands/login.ts";
import { logsCommand } from "./commands/logs.ts";
import { packCommand } from "./commands/pack.ts";
import { publishCommand } from "./commands/publish.ts";
import { requeueCommand } from "./commands/requeue.ts";
import { runCommand } from "./commands/run.ts";
import { submitCommand } from "./commands/submit.ts";
import { tenantsCommand } from "./commands/tenants.ts";
import { timersCommand } from "./commands/timers.ts";
import { watchCommand } from "./commands/watch.ts";
import { webhooksCommand } from "./commands/webhooks.ts";
import { workersCommand } from "./commands/workers.ts";
import { EXIT, exitCodeOf, InterruptedError, JobsFailedError, type ExitCode } from "./exit-codes.ts";
import { standardTerminal } from "./standard-terminal.ts";
import type { Surroundings } from "./terminal.ts";

const COMMANDS = [
  loginCommand,
  logoutCommand,
  initCommand,
  runCommand,
  packCommand,
  publishCommand,
  submitCommand,
  watchCommand,
  jobsCommand,
  batchesCommand,
  logsCommand,
  artifactsCommand,
  cancelCommand,
  requeueCommand,
  deadLettersCommand,
  timersCommand,
  workersCommand,
  tenantsCommand,
  grantsCommand,
  webhooksCommand,
];

/** Runs one command line. Never throws: resolves to the exit code. */
export async function runCli(args: readonly string[], given: Partial<Surroundings> = {}): Promise<ExitCode> {
  const standard = standardTerminal(process);
  const around: Surroundings = {
    terminal: standard,
    env: process.env,
    input: process.stdin,
    signal: new AbortController().signal,
    ...given,
  };
  const { terminal, signal } = around;
  const program = new Command("jobyard")
    .description("Background jobs on Azure: package them, run them, follow them.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.error(text.trimEnd()),
    })
    .addHelpText("after", EXIT_CODES_HELP)
    .hook("preAction", (_program, action) => {
      if (action.opts<{ readonly raw?: true }>().raw) standard.showRaw();
    });
  for (const make of COMMANDS) program.addCommand(make(around));
  inherit(program);
  try {
    await program.parseAsync(args, { from: "user" });
    return EXIT.done;
  } catch (error) {
    if (signal.aborted) return exitCodeOf(new InterruptedError());
    if (!(error instanceof CommanderError) && !(error instanceof JobsFailedError)) terminal.error(explain(error));
    return exitCodeOf(error);
  }
}

const EXIT_CODES_HELP = `
Exit codes: 0 done, 1 failed, 2 called wrongly, 3 not signed in or not allowed, 4 service not reachable,
5 a job that was waited for did not succeed, 130 Ctrl-C.`;

function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inherit(command);
  }
}

function explain(error: unknown): string {
  if (!isJobServiceError(error)) return messageOf(error);
  const { code, message, details, requestId } = error;
  const fields = details.slice(1).map((detail) => `\n  ${detail.target}: ${detail.message}`);
  const hint = code === "Unauthenticated" ? " Sign in with: jobyard login" : "";
  return `${message}${hint}${fields.join("")}\n  (${code}${requestId === undefined ? "" : `, request ${requestId}`})`;
}
