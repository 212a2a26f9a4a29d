/**
 * What a new worker machine does at its first boot, as a cloud-init document. It names where the code lies, never its
 * version: a scale set whose model changed with every release would soon have more models than Azure allows.
 */

export interface CloudInitRequest {
  /** Settings of the worker, by name. */
  readonly environment: Readonly<Record<string, string>>;
  /** Address of the container that holds the releases. */
  readonly releasesUrl: string;
  /** Whether somebody may log in; otherwise the machine does not even listen. */
  readonly ssh: boolean;
}

/** The same request gives the same text. JSON is YAML, and needs no quoting rules. */
export function workerCloudInit({ environment, releasesUrl, ssh }: CloudInitRequest): string {
  const document = {
    write_files: [
      {
        path: "/etc/jobyard/worker.env",
        permissions: "0600",
        content: environmentFile({ ...environment, JOBYARD_RELEASES_URL: releasesUrl }),
      },
    ],
    ...(ssh ? {} : { runcmd: [["systemctl", "disable", "--now", "ssh.socket", "ssh.service"]] }),
  };
  return `#cloud-config\n${JSON.stringify(document, undefined, 2)}\n`;
}

/** As systemd reads it. Throws RangeError for a value that does not fit on a line. */
function environmentFile(environment: Readonly<Record<string, string>>): string {
  const lines = Object.entries(environment).map(([name, value]) => {
    if (/[\r\n]/.test(value)) throw new RangeError(`The setting ${name} must be one line.`);
    return `${name}="${value.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`;
  });
  return `${lines.join("\n")}\n`;
}
