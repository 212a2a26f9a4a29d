/** `jobyard publish <zip>`: uploads a package. The next run of its jobs uses it. */
import { basename } from "node:path";
import CliProgress from "cli-progress";
import type { OnUploadProgress } from "../../client/index.ts";
import { connect, LONG, show, showBytes, tenantOf, type RemoteOptions } from "../command.ts";
import { readInput } from "../input.ts";
import type { Surroundings, Terminal } from "../terminal.ts";

interface PublishOptions extends RemoteOptions {
  readonly tenant?: string;
  readonly name?: string;
}

export async function publish(options: PublishOptions, around: Surroundings, file: string): Promise<void> {
  const { terminal, signal } = around;
  const zip = new Uint8Array(await readInput(file));
  const client = await connect(options, around, LONG);
  const tenantName = await tenantOf(client, options.tenant, around);
  const bar = uploadBar(terminal);
  try {
    const published = await client.management.publishPackage(tenantName, options.name ?? basename(file), zip, {
      ...(bar && { onProgress: bar.onProgress }),
      signal,
    });
    bar?.stop();
    for (const warning of published.warnings ?? []) terminal.error(`Warning: ${warning}`);
    show(terminal, options, published, () =>
      [
        `Published ${published.packageName} for ${tenantName}: ${showBytes(published.bytes)}`,
        `  sha256 ${published.sha256 ?? ""}`,
        `  jobs   ${(published.jobTypes ?? []).join(", ")}`,
        ...(published.timers.length > 0 ? [`  timers ${published.timers.join(", ")}`] : []),
      ].join("\n"),
    );
  } finally {
    bar?.stop();
  }
}

/** Only on a terminal. */
function uploadBar({
  screen,
}: Terminal): { readonly onProgress: OnUploadProgress; readonly stop: () => void } | undefined {
  if (screen === undefined) return undefined;
  const bar = new CliProgress.SingleBar(
    { format: "  {bar} {percentage}% of {size}", stream: screen, hideCursor: true, clearOnComplete: true },
    CliProgress.Presets.shades_classic,
  );
  let isShown = false;
  return {
    onProgress({ sentBytes, totalBytes }) {
      if (!isShown) bar.start(totalBytes, 0, { size: showBytes(totalBytes) });
      isShown = true;
      bar.update(sentBytes);
    },
    stop: () => bar.stop(),
  };
}
