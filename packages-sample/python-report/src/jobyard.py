"""What a Python job needs from Jobyard: parameters, progress, result, stop. Copy this file into your package.

    import jobyard

    def count_words(job):
        job.progress(0.5, "Half way")
        return {"words": len(job.parameters["text"].split())}

    jobyard.run(count_words)

It needs Python 3.9 or newer and nothing else. `print` and `logging` write to the job's log.
"""

import json
import os
import signal
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, List, Mapping, Optional

_DO_NOT_RETRY = 65
_STOPPED = 128 + signal.SIGTERM
_PROGRESS_TEXT_MAX = 500


class NonRetryableError(Exception):
    """Raise it when another try cannot succeed, for example because a parameter is wrong."""


class Stopped(BaseException):
    """The job must stop: it was canceled, its time is over, or its worker shuts down.

    Raised in the main thread at any point, as KeyboardInterrupt is. Use `finally` and `with` to clean up within ten
    seconds, and do not catch it: then a canceled job is canceled, and a job of a worker that shuts down runs elsewhere.
    """


@dataclass
class Job:
    """The request, and the tools of the running job. A test creates one with the fields that it needs."""

    #: What the submitter sent, parsed from JSON.
    parameters: Any = None
    #: What the tenant has given to the package: settings and secrets by name, as text.
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The unpacked package: code and data files.
    package_path: Path = Path(".")
    #: An empty folder for temporary files: the current directory.
    working_path: Path = Path(".")
    #: Files here become artifacts, also those of a failed job.
    output_path: Path = Path(".")
    #: Identifies the job everywhere. A job can run more than once: key outside effects by it.
    job_id: str = ""
    batch_id: str = ""
    tenant_name: str = ""
    job_name: str = ""
    job_type: str = ""
    worker_id: str = ""
    #: Counts tries that ended with a failure of the job, from 1.
    attempt: int = 1
    #: How often the system interrupted this job before this try.
    interruption: int = 0
    #: Different for every start of the job. Fence outside effects with it.
    claim_id: str = ""
    #: For runs of a timer: grows with each start of the timer.
    fence: Optional[int] = None
    #: The W3C `traceparent` of this try, if it is traced.
    trace: Optional[str] = None
    #: Whether the job must stop. For threads to look at: `Stopped` is raised in the main thread only.
    stopping: bool = False
    _holds: int = field(default=0, init=False, repr=False)

    def progress(self, fraction: float, text: str = "") -> None:
        """Reports a fraction from 0 to 1, and what the job does now."""
        line = " ".join(text[:_PROGRESS_TEXT_MAX].split())
        print(f"::progress {min(max(fraction, 0.0), 1.0):.3f} {line}".rstrip(), flush=True)

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Holds `Stopped` back until the end of the block, for steps that must not be torn. At most ten seconds."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self.stopping and self._holds == 0:
            raise Stopped

    def _on_sigterm(self, *_: object) -> None:
        if self.stopping:
            return
        self.stopping = True
        if self._holds == 0:
            raise Stopped


def run(work: Callable[[Job], Any]) -> None:
    """Runs the job of this process and ends the process.

    What `work` returns becomes the output, as JSON; None: no output. An exception fails the job. The traceback is
    written to its log, and its last line becomes the message of the failure.
    """
    # Without this, lines would wait in a buffer until the end, and the encoding would depend on the machine.
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    job = _job_of_this_process()
    signal.signal(signal.SIGTERM, job._on_sigterm)
    try:
        output = work(job)
        # The work is done. A stop that arrives now must not turn it into a canceled job.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if output is not None:
            _write_result(output)
    except Stopped:
        sys.exit(_STOPPED)
    except Exception as error:
        _explain(error)
        sys.exit(_DO_NOT_RETRY if isinstance(error, NonRetryableError) else 1)


def _job_of_this_process() -> Job:
    env = os.environ
    if "JOBYARD_PARAMETERS_FILE" not in env:
        sys.exit("This program is a job. Run it with `jobyard run`, or set the variables of docs/packages.md.")
    here = os.getcwd()
    return Job(
        parameters=_json_of(env["JOBYARD_PARAMETERS_FILE"]),
        # A package that declares no settings has no file.
        settings=_json_of(env["JOBYARD_SETTINGS_FILE"]) if "JOBYARD_SETTINGS_FILE" in env else {},
        package_path=Path(env.get("JOBYARD_PACKAGE_PATH", here)),
        working_path=Path(env.get("JOBYARD_WORKING_PATH", here)),
        output_path=Path(env.get("JOBYARD_OUTPUT_PATH", here)),
        job_id=env.get("JOBYARD_JOB_ID", ""),
        batch_id=env.get("JOBYARD_BATCH_ID", ""),
        tenant_name=env.get("JOBYARD_TENANT_NAME", ""),
        job_name=env.get("JOBYARD_JOB_NAME", ""),
        job_type=env.get("JOBYARD_JOB_TYPE", ""),
        worker_id=env.get("JOBYARD_WORKER_ID", ""),
        attempt=int(env.get("JOBYARD_ATTEMPT", "1")),
        interruption=int(env.get("JOBYARD_INTERRUPTION", "0")),
        claim_id=env.get("JOBYARD_CLAIM_ID", ""),
        fence=int(env["JOBYARD_FENCE"]) if "JOBYARD_FENCE" in env else None,
        trace=env.get("TRACEPARENT"),
    )


def _json_of(file: str) -> Any:
    return json.loads(Path(file).read_text(encoding="utf-8"))


def _write_result(output: Any) -> None:
    try:
        text = json.dumps(output, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise NonRetryableError(f"JSON cannot hold the output: {error}") from error
    file = Path(os.environ["JOBYARD_RESULT_FILE"])
    partial = file.with_name(file.name + ".partial")
    partial.write_bytes(text)
    # A killed job leaves no half result.
    partial.replace(file)


def _explain(error: Exception) -> None:
    sys.stdout.flush()
    # The last line on stderr becomes the message of the failure: the text of a refusal, else as Python writes it.
    if isinstance(error, NonRetryableError):
        reason = _in_one_line(str(error))
        lines = [] if error.__cause__ is None else _traceback_of(error)
    else:
        reason = _in_one_line("".join(traceback.format_exception_only(type(error), error)))
        lines = _traceback_of(error)
    print("\n".join(lines if lines[-1:] == [reason] else [*lines, reason]), file=sys.stderr, flush=True)


def _traceback_of(error: Exception) -> List[str]:
    # Without the frames of this file at its start, which say nothing about the job.
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).splitlines()


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
