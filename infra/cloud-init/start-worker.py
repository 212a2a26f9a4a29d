#!/usr/bin/python3 -IS
"""Starts the worker from the installed release, under the machine's name. Runs as the service user.

It stays the service's main process, the only one from which systemd accepts messages. Jobs are in the same control group,
and could otherwise stop the service. It forwards the worker's signs of life and the stop signal, and nothing else.
"""

import os
import signal
import socket
import subprocess
import sys

root = os.environ.get("JOBYARD_ROOT", "")
home = root + "/opt/jobyard"
# By its real path, not through the link, because the next bootstrap moves the link.
release = os.path.realpath(home + "/current", strict=True)
with open(root + "/run/jobyard/worker-id", encoding="ascii") as file:
    worker_id = file.read().strip()

not_for_worker = ("JOBYARD_ROOT", "NOTIFY_SOCKET", "WATCHDOG_PID")
environment = {name: value for name, value in os.environ.items() if name not in not_for_worker}
environment["JOBYARD_VERSION"] = os.path.basename(release)
environment["JOBYARD_WORKER_ID"] = worker_id
environment["JOBYARD_WORKER_DIRECTORY"] = root + "/var/lib/jobyard"
# Jobs that call node get this one.
standard_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
environment["PATH"] = home + "/node/bin:" + environment.get("PATH", standard_path)

signs_of_life, workers_end = os.pipe()
os.set_inheritable(workers_end, True)
environment["JOBYARD_WATCHDOG_DESCRIPTOR"] = str(workers_end)
command = [home + "/node/bin/node", release + "/worker.mjs"]
worker = subprocess.Popen(command, env=environment, close_fds=False)
os.close(workers_end)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda received, _frame: worker.send_signal(received))

address = os.environ.get("NOTIFY_SOCKET", "")
if address.startswith("@"):
    address = "\0" + address[1:]
systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
systemd.settimeout(5)
# The content does not matter: each write is a sign of life. An end of file means that the worker has ended.
while os.read(signs_of_life, 4096):
    try:
        if address:
            systemd.sendto(b"WATCHDOG=1", address)
    except OSError as error:
        print("start-worker: cannot notify systemd:", error, file=sys.stderr, flush=True)

code = worker.wait()
# The shell's exit code for a signal.
sys.exit(code if code >= 0 else 128 - code)
