"""How src/jobyard.py ends a process. Each test runs a program of a few lines, as a worker does."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src"


class Program:
    """A job in a process of its own, with the environment that a worker gives."""

    def __init__(self, folder, work, parameters, environment):
        self.folder = Path(folder)
        (self.folder / "parameters.json").write_text(json.dumps(parameters), encoding="utf-8")
        (self.folder / "job.py").write_text(
            "import os, sys, time\nimport jobyard\n\ndef work(job):\n"
            + textwrap.indent(textwrap.dedent(work), "    ")
            + "\njobyard.run(work)\n",
            encoding="utf-8",
        )
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(self.folder / "job.py")],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(SOURCE),
                "JOBYARD_PARAMETERS_FILE": str(self.folder / "parameters.json"),
                "JOBYARD_RESULT_FILE": str(self.folder / "result.json"),
                "JOBYARD_JOB_ID": "demo.b.00.j",
                "JOBYARD_ATTEMPT": "2",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def stop_when_it_prints(self, line):
        while self.process.stdout.readline() != f"{line}\n".encode():
            self.assert_runs()
        self.process.send_signal(signal.SIGTERM)

    def assert_runs(self):
        if self.process.poll() is not None:
            raise AssertionError(f"It ended early: {self.process.stderr.read().decode()}")

    def end(self):
        """Returns exit code, stdout and stderr."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out.decode(), err.decode()

    def result(self):
        file = self.folder / "result.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, work, parameters=None, **environment):
        return Program(self.folder, work, parameters, environment)

    def test_gives_the_job_its_request_and_keeps_what_it_returns(self):
        work = "return [job.parameters, job.job_id, job.attempt, job.fence]"
        program = self.start(work, {"name": "Größe 🙂"}, JOBYARD_FENCE="7")
        self.assertEqual(program.end(), (0, "", ""))
        self.assertEqual(program.result(), [{"name": "Größe 🙂"}, "demo.b.00.j", 2, 7])
        self.assertEqual(sorted(os.listdir(self.folder)), ["job.py", "parameters.json", "result.json"])

    def test_reads_the_settings_of_a_package_that_has_some(self):
        file = Path(self.folder) / "settings.json"
        file.write_text('{"API_KEY": "k"}', encoding="utf-8")
        program = self.start("return dict(job.settings)", JOBYARD_SETTINGS_FILE=str(file))
        self.assertEqual((program.end()[0], program.result()), (0, {"API_KEY": "k"}))
        program = self.start("return dict(job.settings)")
        self.assertEqual((program.end()[0], program.result()), (0, {}))

    def test_writes_no_result_for_none(self):
        program = self.start("return None")
        self.assertEqual(program.end()[0], 0)
        self.assertIsNone(program.result())

    def test_reports_progress_in_one_line(self):
        _, out, _ = self.start(r'job.progress(0.123456, "a\nb"); job.progress(2)').end()
        self.assertEqual(out.splitlines(), ["::progress 0.123 a b", "::progress 1.000"])

    def test_shows_where_the_job_failed_and_why_in_the_last_line(self):
        code, _, err = self.start(r'raise ValueError("first\nsecond")').end()
        self.assertEqual(code, 1)
        self.assertRegex(err, r'^Traceback .*\n  File ".*job\.py", line 5, in work\n')
        self.assertNotIn("jobyard.py", err)
        self.assertEqual(err.splitlines()[-1], "ValueError: first second")

    def test_exits_with_65_for_an_error_that_another_try_repeats(self):
        program = self.start('raise jobyard.NonRetryableError("month: expected a month.")')
        self.assertEqual(program.end(), (65, "", "month: expected a month.\n"))

    def test_shows_the_cause_of_a_refusal(self):
        code, _, err = self.start(
            """
            try:
                int("x")
            except ValueError as error:
                raise jobyard.NonRetryableError("count: expected a number.") from error
            """
        ).end()
        self.assertEqual((code, err.splitlines()[-1]), (65, "count: expected a number."))
        self.assertIn("invalid literal for int()", err)

    def test_refuses_an_output_that_json_cannot_hold(self):
        for output in ('float("nan")', "{1, 2}"):
            program = self.start(f"return {output}")
            code, _, err = program.end()
            self.assertEqual(code, 65)
            self.assertTrue(err.splitlines()[-1].startswith("JSON cannot hold the output: "), err)
            self.assertIsNone(program.result())

    def test_cleans_up_when_it_is_stopped(self):
        program = self.start(
            """
            try:
                print("ready")
                time.sleep(60)
            finally:
                print("cleaned up")
            """
        )
        program.stop_when_it_prints("ready")
        self.assertEqual(program.end(), (143, "cleaned up\n", ""))
        self.assertIsNone(program.result())

    def test_finishes_a_step_that_must_not_be_torn(self):
        program = self.start(
            """
            with job.uninterrupted():
                print("ready")
                while not job.stopping:
                    time.sleep(0.01)
                print("finished")
            print("never")
            """
        )
        program.stop_when_it_prints("ready")
        self.assertEqual(program.end(), (143, "finished\n", ""))

    def test_keeps_the_result_of_a_job_that_finishes_after_the_stop(self):
        program = self.start(
            """
            try:
                print("ready")
                time.sleep(60)
            except jobyard.Stopped:
                return {"rows": 3}
            """
        )
        program.stop_when_it_prints("ready")
        self.assertEqual(program.end()[0], 0)
        self.assertEqual(program.result(), {"rows": 3})


if __name__ == "__main__":
    unittest.main()
