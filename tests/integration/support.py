"""What the integration tests share: the program under test and servers in processes of their own."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

EXTRACT = os.environ["EXTRACT_BINARY"]
HERE = pathlib.Path(__file__).resolve().parent


class Result:
    """What a run of `extract` left behind."""

    def __init__(self, process, stdout, stderr, stats):
        self.status = process.returncode
        self.stdout = stdout or b""
        self.stderr = stderr.decode()
        self.stats = json.loads(stats.read_text()) if stats.exists() else None

    def records(self):
        assert self.stdout == b"" or self.stdout.endswith(b"\n"), "the last line is not whole"
        return [json.loads(line) for line in self.stdout.splitlines()]


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def start(self, *arguments, **options):
        options = {"stdout": subprocess.PIPE, **options}
        process = subprocess.Popen([EXTRACT, *map(str, arguments)], stderr=subprocess.PIPE,
                                   **options)
        self.addCleanup(stop, process)
        return process

    def extract(self, *arguments, **options):
        stats = self.directory / "stats.json"
        process = self.start(*arguments, "--stats", stats, **options)
        stdout, stderr = process.communicate(timeout=120)
        return Result(process, stdout, stderr, stats)

    def assert_one_line(self, result, status, *parts):
        """One line on standard error that has all the parts, and that status."""
        self.assertEqual(result.status, status, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("extract: "), result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)


def stop(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def start_server(test, script, *arguments):
    """Starts a server script, waits until it listens and gives its port."""
    port_file = test.directory / f"{script}.port"
    port_file.unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, HERE / script, "--port-file", port_file,
                                *map(str, arguments)])
    test.addCleanup(stop, process)
    deadline = time.monotonic() + 100
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{script} did not start")
        time.sleep(0.02)
    return int(port_file.read_text())
