/** Tests the first boot of a machine with the programs that read its files there. `.ci/run` installs them. */
import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { WORKER_HEALTH } from "../../runtime/core/settings/machine-settings.ts";
import { JOB_GROUP, machineFiles, workerCloudInit } from "../../infra/plan/cloud-init.ts";
import { hasProgram } from "../support/processes/has-program.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../support/temporary-directory.ts";

const FOLDER = join(import.meta.dirname, "../../infra/cloud-init");
const UNITS = ["jobyard-worker.service", "jobyard-firewall.service"];
const REQUEST = {
  environment: { JOBYARD_POOL: "default", ODD: 'a "quoted" $HOME \\ %h' },
  releasesUrl: "https://account.blob.core.windows.net/releases",
  slots: 2,
  devices: false,
  drainSeconds: 840,
  ssh: false,
};

const run = promisify(execFile);

/** A folder with every file at its path on a machine. */
async function machineRoot(): Promise<TemporaryDirectory> {
  const root = await temporaryDirectory();
  for (const { path, permissions, content } of machineFiles(REQUEST)) {
    await mkdir(dirname(join(root.path, path)), { recursive: true });
    await writeFile(join(root.path, path), content, { mode: Number.parseInt(permissions, 8) });
  }
  return root;
}

describe("the first boot", () => {
  it("the first boot writes every file of infra/cloud-init to the machine", async () => {
    const contents = machineFiles(REQUEST).map(({ content }) => content);
    for (const name of await readdir(FOLDER)) {
      expect(contents, name).toContain(await readFile(join(FOLDER, name), "utf8"));
    }
  });

  it("the same group of jobs is created and restricted by the firewall", async () => {
    const text = (name: string): Promise<string> => readFile(join(FOLDER, name), "utf8");
    expect(await text("sysusers.conf")).toContain(`g ${JOB_GROUP} -`);
    expect(await text("firewall.nft")).toContain(`meta skgid "${JOB_GROUP}"`);
  });

  it.skipIf(!hasProgram("cloud-init", "--version"))("the cloud-init document is valid (needs cloud-init)", async () => {
    await using root = await temporaryDirectory();
    const file = join(root.path, "user-data");
    for (const ssh of [true, false]) {
      await writeFile(file, workerCloudInit({ ...REQUEST, ssh }));
      await expect(run("cloud-init", ["schema", "--config-file", file])).resolves.toMatchObject({
        stdout: expect.stringMatching(/^Valid/) as string,
      });
    }
    await writeFile(file, "#cloud-config\nruncmd: 7\n");
    await expect(run("cloud-init", ["schema", "--config-file", file])).rejects.toThrow();
  });

  it.skipIf(!hasProgram("shellcheck", "--version"))(
    "the scripts of the first boot pass shellcheck (needs shellcheck)",
    async () => {
      const scripts = (await readdir(FOLDER)).filter((name) => name.endsWith(".sh"));
      expect(scripts).toHaveLength(1);
      await run("shellcheck", scripts, { cwd: FOLDER });
    },
  );

  it.skipIf(!hasProgram("systemd-analyze", "--version"))(
    "systemd accepts the units of the first boot (needs systemd-analyze)",
    async () => {
      await using root = await machineRoot();
      // The units that must come before, and the programs that the units start.
      await cp("/lib/systemd/system", join(root.path, "usr/lib/systemd/system"), {
        recursive: true,
        verbatimSymlinks: true,
      });
      await mkdir(join(root.path, "usr/sbin"));
      await writeFile(join(root.path, "usr/sbin/nft"), "#!/bin/sh\n", { mode: 0o755 });
      const verify = () => run("systemd-analyze", ["verify", "--man=no", `--root=${root.path}`, ...UNITS]);
      expect(await verify()).toEqual({ stdout: "", stderr: "" });
      // It prints what it does not know.
      await writeFile(
        join(root.path, "etc/systemd/system", UNITS[0]!),
        "[Service]\nExecStart=/usr/sbin/nft\nRestartSecs=5\n",
      );
      expect((await verify()).stderr).toContain("RestartSecs");
    },
  );

  it.skipIf(!hasProgram("systemd-sysusers", "--version"))(
    "sysusers creates the worker's user and the job users, all in one group (needs systemd-sysusers)",
    async () => {
      await using root = await machineRoot();
      await run("systemd-sysusers", [
        `--root=${root.path}`,
        ...["jobyard.conf", "jobyard-jobs.conf"].map((name) => join(root.path, "etc/sysusers.d", name)),
      ]);
      const users = (await readFile(join(root.path, "etc/passwd"), "utf8"))
        .trim()
        .split("\n")
        .map((line) => line.split(":"));
      const jobUsers = Array.from({ length: REQUEST.slots + 8 }, (_, index) => `${JOB_GROUP}-${index + 1}`);
      expect(users.map(([name]) => name).sort()).toEqual(["jobyard", ...jobUsers].sort());
      expect(new Set(users.map(([, , uid]) => uid)).size).toBe(users.length);
      const groups = new Set(users.filter(([name]) => name !== "jobyard").map(([, , , gid]) => gid));
      expect(groups.size).toBe(1);
      for (const user of users) expect(user.at(-1)).toMatch(/nologin$/);
    },
  );
});

/** After the sign, a port other than the test's. */
const HEALTH = `127.0.0.1#${WORKER_HEALTH.port}`;

/** Addresses that jobs must not reach, and addresses that they may. No request leaves the namespace. */
const FIREWALL_ADDRESSES = {
  IPv4: {
    closed: [
      ...["169.254.169.254", "168.63.129.16", "::ffff:169.254.169.254", "::ffff:168.63.129.16", "::ffff:a9fe:a9fe"],
      ...[HEALTH, `::ffff:${HEALTH}`],
    ],
    open: ["169.254.1.1", "::ffff:169.254.1.1", "127.0.0.1"],
  },
  IPv6: {
    closed: [
      ...["fe80::a9fe:a9fe%lo", "fe80::1%lo", "febf::1%lo", "fd00:ec2::254", "::a9fe:a9fe", "::168.63.129.16"],
      ...["64:ff9b::169.254.169.254", "64:ff9b::a83f:8110", "64:ff9b:1::a9fe:a9fe"],
      ...["2002:a9fe:a9fe::1", "2002:a83f:8110:1::1"],
    ],
    open: ["::1", "fd00:ec2::253", "fd12::1", "2001:db8::1", "2002:a9fe:a9fd::1", "64:ff9b::a9fe:a9fd"],
  },
} as const;

/** In the test, processes of the group `nogroup` are jobs. Every address listens, so the rules alone decide. */
const FIREWALL_TEST = `
ip link set lo up
nft -f "$1" && nft -f "$1" || exit 9
node="$2"
shift 2
for address in "$@"; do
  case $address in
    ::1 | 127.0.0.1* | ::ffff:*) ;;
    *.*.*.*) case $address in *:*) ip -6 address add "$address/128" dev lo nodad ;; *) ip address add "$address/32" dev lo ;; esac ;;
    *) ip -6 address add "\${address%?lo}/128" dev lo nodad ;;
  esac || exit 8
done
"$node" -e 'const serve = (port, then) => require("node:net").createServer((s) => s.end()).listen(port, "::", then);
  serve(${WORKER_HEALTH.port}, () => serve(8099))' &
server=$!
reach() {
  "$@" "$node" -e '
    const { connect } = require("node:net");
    const probe = (address) => new Promise((resolve) => {
      const [host, port = 8099] = address.split("#");
      const socket = connect(port, host, () => (socket.destroy(), resolve("open")));
      socket.on("error", ({ code }) => resolve(code === "EACCES" || code === "EHOSTUNREACH" ? "closed" : code));
    });
    (async () => {
      while ((await probe("127.0.0.1")) !== "open");
      // All at once, because IPv6 notices a refusal only with its second packet.
      const answers = await Promise.all(process.argv.slice(1).map(async (host) => [host, await probe(host)]));
      console.log(JSON.stringify(Object.fromEntries(answers)));
    })();' $addresses
}
addresses="$*"
reach env
reach setpriv --reuid 65534 --regid 65534 --clear-groups --
kill $server`;

const canFilter =
  hasProgram("unshare", "--net", "true") &&
  hasProgram("unshare", "--net", "nft", "list", "ruleset") &&
  hasProgram("ip", "-V") &&
  hasProgram("setpriv", "--reuid", "65534", "--clear-groups", "--", process.execPath, "--version");
const canFilterIPv6 =
  canFilter && hasProgram("unshare", "--net", "ip", "-6", "address", "add", "fd12::1/128", "dev", "lo");

describe.each(["IPv4", "IPv6"] as const)("the firewall over %s", (protocol) => {
  it.skipIf(!(protocol === "IPv4" ? canFilter : canFilterIPv6))(
    "the firewall blocks only jobs from the services of their machine (needs root, unshare, nft, ip and setpriv)",
    { tags: "attack/jobs" },
    async () => {
      await using root = await temporaryDirectory();
      const rules = await readFile(join(FOLDER, "firewall.nft"), "utf8");
      const file = join(root.path, "firewall.nft");
      await writeFile(file, rules.replaceAll(JOB_GROUP, "nogroup"));
      const { open, closed } = FIREWALL_ADDRESSES[protocol];
      const command = ["sh", "-c", FIREWALL_TEST, "sh", file, process.execPath, ...open, ...closed];
      const { stdout } = await run("unshare", ["--net", ...command]);
      const [others, jobs] = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, string>);
      const all = (addresses: readonly string[], answer: string) =>
        Object.fromEntries(addresses.map((address) => [address, answer]));
      expect(others).toEqual(all([...open, ...closed], "open"));
      expect(jobs).toEqual({ ...all(open, "open"), ...all(closed, "closed") });
    },
  );
});
