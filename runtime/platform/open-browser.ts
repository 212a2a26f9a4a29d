/** Opens an address in the browser of the user at this machine. */
import { spawn } from "node:child_process";

/** Tries to open the user's browser. The address is printed too, because success cannot be detected. */
export function openBrowser(
  url: string,
  { env, platform }: { readonly env: Readonly<Record<string, string | undefined>>; readonly platform: NodeJS.Platform },
): void {
  const hasScreen = env["DISPLAY"] !== undefined || env["WAYLAND_DISPLAY"] !== undefined;
  const [program, ...before] = OPENERS[platform] ?? (hasScreen ? ["xdg-open"] : []);
  if (program === undefined) return;
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("JOBYARD_")));
  const child = spawn(program, [...before, url], { env: own, stdio: "ignore", detached: true });
  // The program does not exist.
  child.on("error", () => undefined);
  child.unref();
}

/** Without a shell, because an address contains characters that a shell interprets. */
const OPENERS: Partial<Readonly<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};
