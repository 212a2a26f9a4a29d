/** `jobyard token`: prints the current sign-in's access token, for curl and other programs. */
import { show, type RemoteOptions } from "../command.ts";
import { accessToken } from "../connection.ts";
import type { Surroundings } from "../terminal.ts";

export async function token(options: RemoteOptions, around: Surroundings): Promise<void> {
  const { token: text, expiresOnTimestamp } = await accessToken(options, around);
  const expiresAt = new Date(expiresOnTimestamp).toISOString();
  show(around.terminal, options, { token: text, expiresAt }, () => text);
}
