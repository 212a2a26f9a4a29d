/** A terminal of 80 columns and 24 lines with one command in it, as a person has it before them. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface TerminalWindow extends AsyncDisposable {
  /** What it shows now, without empty lines at its end. */
  text(): Promise<string>;
  /** The same with colours. */
  painted(): Promise<string>;
  /** Presses keys by tmux's names: `C-c`, `Enter`. */
  press(...keys: readonly string[]): Promise<void>;
  /** As a terminal reports it; a bar hides it and must show it again. */
  isCursorVisible(): Promise<boolean>;
}

export const COLUMNS = 80;

/** `command`: a line for the shell. The window stays when it has ended. */
export async function openTerminal(
  command: string,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<TerminalWindow> {
  // A server of its own, without the user's settings.
  const socket = `jobyard-test-${process.pid}-${performance.now().toFixed(0)}`;
  const tmux = async (...args: readonly string[]): Promise<string> => {
    const options = { cwd, env: { PATH: process.env["PATH"], LANG: "C.UTF-8", ...env } };
    return (await run("tmux", ["-L", socket, "-f", "/dev/null", ...args], options)).stdout;
  };
  const size = ["-x", String(COLUMNS), "-y", "24"];
  await tmux("-u", "new-session", "-d", ...size, `${command}; echo "exit code $?"; exec cat`);
  const capture = async (...how: readonly string[]): Promise<string> =>
    (await tmux("capture-pane", "-p", ...how)).trimEnd();
  return {
    text: () => capture(),
    painted: () => capture("-e"),
    press: async (...keys) => {
      await tmux("send-keys", ...keys);
    },
    isCursorVisible: async () => (await tmux("display-message", "-p", "#{cursor_flag}")).trim() === "1",
    [Symbol.asyncDispose]: async () => {
      await tmux("kill-server");
    },
  };
}
