"""`extract --checkpoint`: killed at any moment and started again, each record comes once; and what
cannot be gone on with is refused and left as it was."""
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import tempfile
import time
import unittest
import urllib.request

from support import Case, Result, start_server

FAST = ["--rate", "2000/s"]
STYLES = ["offset", "page", "cursor", "next", "link", "keyset", "clamp"]


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s until {what}")
        time.sleep(0.005)


def most_in(times, period):
    """The most of these that came within any such period, its end excluded."""
    times = sorted(times)
    most = first = 0
    for last, when in enumerate(times):
        while when - times[first] >= period:
            first += 1
        most = max(most, last - first + 1)
    return most


class CheckpointCase(Case):
    def setUp(self):
        super().setUp()
        self.port = start_server(self, "checkpoint_api.py")
        self.output = self.directory / "records.ndjson"
        self.checkpoint = self.directory / "job.checkpoint"

    def url(self, style="offset", job="1"):
        return f"http://127.0.0.1:{self.port}/{style}?job={job}"

    def command(self, *more, style="offset", job="1"):
        paginate = "offset" if style == "clamp" else style
        return [self.url(style, job), "--paginate", paginate, "--page-size", 10, "--output",
                self.output, "--checkpoint", self.checkpoint, *more]

    def run_it(self, *more, style="offset", **options):
        return self.extract(*self.command(*more, style=style), **options)

    def run_without_stats(self, *more, style="offset", **options):
        process = self.start(*self.command(*more, style=style), **options)
        stdout, stderr = process.communicate(timeout=120)
        return Result(process, stdout, stderr, self.directory / "none")

    def log(self, job="1"):
        with urllib.request.urlopen(self.url("log", job)) as answer:
            return json.load(answer)

    def change(self, **settings):
        changes = "".join(f"&{name}={value}" for name, value in settings.items())
        urllib.request.urlopen(self.url("set") + changes).close()

    def saved(self):
        """What is in the checkpoint: of how many records, and of how many bytes of the output."""
        with tempfile.TemporaryDirectory() as directory:
            for end in ("", "-wal"):
                file = self.checkpoint.with_name(self.checkpoint.name + end)
                if file.exists():
                    shutil.copy(file, f"{directory}/copy{end}")
            if not os.path.exists(f"{directory}/copy"):
                return 0, 0
            connection = sqlite3.connect(f"{directory}/copy")
            try:
                note, = connection.execute("SELECT note FROM saved").fetchone() or ("",)
            finally:
                connection.close()
        known = json.loads(note) if note else {"lines": 0, "bytes": 0}
        return known["lines"], known["bytes"]

    def assert_whole(self, records=1000, ordered=False):
        text = self.output.read_bytes()
        self.assertTrue(text.endswith(b"\n"))
        ids = [json.loads(line)["id"] for line in text.splitlines()]
        self.assertEqual(ids if ordered else sorted(ids), list(range(records)))

    def remove_files(self):
        for name in self.files():
            (self.directory / name).unlink()

    def files(self):
        return {path.name: path.read_bytes() for path in self.directory.iterdir()
                if path.is_file() and path.name.startswith((self.output.name, self.checkpoint.name))}

    def stop_in_the_middle(self, *more, with_signal=signal.SIGINT):
        """A run that is stopped when some pages were saved."""
        process = self.start(*self.command("--rate", "100/s", *more))
        wait_until(lambda: process.poll() is not None or self.saved()[0] >= 100, "pages are saved")
        process.send_signal(with_signal)
        stdout, stderr = process.communicate(timeout=60)
        return Result(process, stdout, stderr, self.directory / "none")


class Killed(CheckpointCase):
    """By SIGKILL, at moments that a seed decides."""

    def startup(self):
        """How long a life takes to its first request."""
        begin = time.monotonic()
        process = self.start(*self.command(job="startup"), "--rate", "100/s")
        wait_until(lambda: self.log("startup"), "there is a first request")
        process.kill()
        process.communicate()
        self.remove_files()
        return time.monotonic() - begin

    def live(self, moments, lives, command, startup):
        """So many lives, killed after some of their requests or before the first. How many were
        long enough to get a page, and to keep it."""
        asked = saved = long_enough = 0
        for life in range(lives):
            process = self.start(*command)
            begun = time.monotonic()
            requests = moments.randrange(12)
            if requests:
                wait_until(lambda: process.poll() is not None or
                           len(self.log()) >= asked + requests, "there are requests")
            # What was answered so long ago was received, written and saved.
            patience = 0.4 + startup
            long_life = life % 5 == 4
            time.sleep(moments.uniform(0, 0.06 if requests else 1.5 * startup) +
                       (patience if long_life and requests else 0))
            self.assertIsNone(process.poll(), process.stderr.read() if process.poll() else "")
            killed = time.monotonic()
            process.kill()
            process.communicate()
            log = self.log()
            before, bytes_before = saved, 0
            saved, bytes_saved = self.saved()
            self.assertGreaterEqual(saved, before)
            text = self.output.read_bytes() if self.output.exists() else b""
            self.assertGreaterEqual(len(text), bytes_saved)
            self.assertTrue(bytes_saved == 0 or text[:bytes_saved].endswith(b"\n"))
            self.assertEqual(text[:bytes_saved].count(b"\n"), saved)
            lines = text.split(b"\n")[:-1]
            self.assertEqual(len(lines), len(set(lines)))
            if any(answered and answered < killed - patience for *_, answered in log[asked:]):
                long_enough += 1
                self.assertGreater(saved, before, f"no progress in life {life}, which lived for "
                                                  f"{killed - begun:.3f} s")
            asked = len(log)
        return long_enough

    def assert_limit(self, count, period):
        # How much longer one request may be on its way than another on a machine that is busy.
        late = 0.1
        self.assertLessEqual(most_in([when for _, when, *_ in self.log()], period - late), count)

    def test_50_lives_give_each_record_once_and_break_no_limit(self):
        self.change(records=6000)
        command = self.command("--rate", "100/2s")
        long_enough = self.live(random.Random(7), 50, command, self.startup())
        self.assertGreaterEqual(long_enough, 5)
        process = self.start(*self.command("--rate", "100/2s"))
        wait_until(lambda: process.poll() is not None or self.saved()[0] > 0, "it goes on")
        self.assert_limit(100, 2)
        process.kill()
        process.communicate()
        before = self.saved()[0]
        asked = len(self.log())
        result = self.run_it(*FAST)
        self.assertEqual((result.status, result.stderr), (0, ""))
        self.assert_whole(6000)
        self.assertEqual(result.stats["records_before"], before)
        self.assertEqual(result.stats["records_written"], 6000 - before)
        self.assertLessEqual(len(self.log()) - asked, (6000 - before) // 10 + 3)

    def test_all_styles_of_paging(self):
        startup = self.startup()
        for style in STYLES:
            for more in [[], ["--ordered"]] if style in ("offset", "clamp") else [[]]:
                with self.subTest(style=style, more=more):
                    self.remove_files()
                    self.port = start_server(self, "checkpoint_api.py")
                    self.live(random.Random(style), 7,
                              self.command("--rate", "120/2s", *more, style=style), startup)
                    self.assert_limit(120, 2)
                    result = self.run_it(*FAST, *more, style=style)
                    self.assertEqual((result.status, result.stderr), (0, ""))
                    self.assert_whole(ordered=bool(more) or style not in ("offset", "page", "clamp"))

    def test_what_lives_spent_that_ended_at_once_counts(self):
        # A life that knows nothing of the one before sends its first request at once.
        lives = 0
        end = time.monotonic() + 4
        while time.monotonic() < end or lives < 6:
            process = self.start(*self.command("--rate", "4/2s"))
            asked = len(self.log())
            wait_until(lambda: len(self.log()) > asked, "there is a request")
            process.kill()
            process.communicate()
            lives += 1
        self.assert_limit(4, 2)


class Stopped(CheckpointCase):
    def test_an_interrupted_run_is_saved_and_goes_on(self):
        for number in [signal.SIGINT, signal.SIGTERM]:
            with self.subTest(signal=number):
                self.remove_files()
                result = self.stop_in_the_middle(with_signal=number)
                self.assert_one_line(result, 130, "interrupted after")
                written = self.output.read_bytes().count(b"\n")
                saved = self.saved()
                self.assertGreaterEqual(saved[0], 100)
                self.assertFalse(self.checkpoint.with_name("job.checkpoint-wal").exists())
                result = self.run_it(*FAST)
                self.assertEqual((result.status, result.stderr), (0, ""))
                self.assertEqual(result.stats["records_before"], saved[0])
                self.assertEqual(result.stats["records_written"], 1000 - saved[0])
                self.assertLessEqual(saved[0], written)
                self.assert_whole()

    def test_a_complete_run_is_complete_again(self):
        for style in STYLES:
            with self.subTest(style=style):
                self.remove_files()
                self.assertEqual(self.run_it(*FAST, style=style).status, 0)
                text = self.output.read_bytes()
                asked = len(self.log())
                result = self.run_it(*FAST, style=style)
                self.assertEqual((result.status, result.stderr), (0, ""))
                self.assertEqual(self.output.read_bytes(), text)
                self.assertEqual((result.stats["records_written"], result.stats["records_before"]),
                                 (0, 1000))
                self.assertLessEqual(len(self.log()) - asked, 6)

    def test_a_pause_that_the_server_asked_for_holds_in_the_next_life(self):
        self.change(refuse=1)
        process = self.start(*self.command("--rate", "100/s"))
        wait_until(self.log, "there is a request")
        time.sleep(0.5)
        process.kill()
        process.communicate()
        result = self.run_it("--rate", "1000/s")
        self.assertEqual((result.status, result.stderr), (0, ""))
        first, second = self.log()[:2]
        self.assertEqual(first[2], 429)
        self.assertGreater(second[1] - first[1], 1.9)
        self.assert_whole()


class Refused(CheckpointCase):
    def assert_refused(self, *parts, more=(), status=2, **options):
        before = self.files()
        asked = len(self.log())
        result = self.run_without_stats(*FAST, *more, **options)
        self.assert_one_line(result, status, *parts)
        self.assertEqual(self.files(), before)
        self.assertEqual(len(self.log()), asked)

    def assert_goes_on(self):
        result = self.run_it(*FAST)
        self.assertEqual((result.status, result.stderr), (0, ""))
        self.assertGreaterEqual(result.stats["records_before"], 100)
        self.assert_whole()

    def test_a_checkpoint_that_is_not_this_jobs(self):
        self.stop_in_the_middle()
        name = str(self.checkpoint)
        self.assert_refused(name, "is of another job", more=["--unique", "/id"])
        self.assert_refused(name, "is of another job", style="clamp")
        good = self.checkpoint.read_bytes()
        connection = sqlite3.connect(self.directory / "other")
        connection.execute("CREATE TABLE a (b)")
        connection.commit()
        connection.close()
        for what, content, part in [
                ("text", b"id,name\n1,one\n" * 400, "not a checkpoint"),
                ("empty", b"", "is empty"),
                ("database", (self.directory / "other").read_bytes(), "another program"),
                ("cut", good[:len(good) // 2], "is damaged"),
                ("short", good[:50], "is damaged"),
                ("header", good[:18] + b"\xff\xff" + good[20:], "")]:
            with self.subTest(what=what):
                self.checkpoint.write_bytes(content)
                self.assert_refused(name, part)
        self.checkpoint.write_bytes(good)
        self.assert_goes_on()

    def test_a_damaged_checkpoint(self):
        self.stop_in_the_middle()
        good = self.checkpoint.read_bytes()
        begin = good.index(b'{"format"')
        self.assertIn(b'"spans"', good[begin:begin + 4000])
        places = random.Random(1)
        for place in [begin + 5, begin + 50, *(places.randrange(4096) for _ in range(5))]:
            with self.subTest(place=place):
                bad = bytearray(good)
                bad[place] ^= 0x20
                self.checkpoint.write_bytes(bad)
                before = self.files()
                result = self.run_without_stats(*FAST)
                if place >= begin:
                    self.assert_one_line(result, 2, str(self.checkpoint), "damaged")
                    self.assertEqual(self.files(), before)
                elif result.status == 0:  # a byte that means nothing
                    self.assert_whole()
                    shutil.copy(self.checkpoint, self.directory / "again")
                else:
                    self.assert_one_line(result, 2, str(self.checkpoint))
                    self.assertEqual(self.files(), before)

    def test_a_place_that_cannot_be_written(self):
        for place, part in [(self.directory / "missing" / "file", "o such file"),
                            (self.directory / "checkpoint_api.py.port" / "file", "ot a directory"),
                            ("/proc/checkpoint", "/proc/checkpoint"),
                            (self.directory, "is not a file")]:
            with self.subTest(place=place):
                self.checkpoint, kept = place, self.checkpoint
                result = self.run_without_stats(*FAST)
                self.checkpoint = kept
                self.assert_one_line(result, 2, str(place), part)
                self.assertEqual(self.files(), {})
                self.assertEqual(self.log(), [])

    def test_an_output_that_cannot_be_written(self):
        for place, part in [(self.directory / "missing" / "file", "o such file"),
                            ("/dev/null", "not a regular file"), (self.directory, "directory")]:
            with self.subTest(place=place):
                self.output, kept = place, self.output
                result = self.run_without_stats(*FAST)
                self.output = kept
                self.assert_one_line(result, 2, str(place), part)
                self.assertEqual(self.log(), [])

    def test_a_checkpoint_in_use(self):
        process = self.start(*self.command("--rate", "20/s"))
        wait_until(lambda: self.saved()[0] > 0, "a page is saved")
        result = self.run_it(*FAST)
        self.assert_one_line(result, 2, str(self.checkpoint), "in use")
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        result = self.run_it(*FAST)
        self.assertEqual((result.status, result.stderr), (0, ""))
        self.assert_whole()

    def test_an_output_that_is_not_what_it_was(self):
        self.stop_in_the_middle()
        good = self.output.read_bytes()
        self.output.write_bytes(good[:self.saved()[1] - 1])
        self.assert_refused(str(self.output), "was changed")
        self.output.write_bytes(b"")
        self.assert_refused(str(self.output), "was changed")
        self.output.unlink()
        self.assert_refused(str(self.output))
        self.output.write_bytes(b"x" * len(good))
        self.assert_refused(str(self.output), "was changed")
        self.output.write_bytes(good)
        self.assert_goes_on()

    def test_an_output_that_was_there_before_the_checkpoint(self):
        self.output.write_bytes(b'{"id": -1}\n')
        self.assert_refused(str(self.output))


class FullDisk(CheckpointCase):
    def with_largest_file(self, size):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return limit

    def assert_goes_on(self, saved):
        result = self.run_it(*FAST)
        self.assertEqual((result.status, result.stderr), (0, ""))
        self.assertEqual(result.stats["records_before"], saved)
        self.assert_whole()

    def test_of_the_output(self):
        self.change(text=20_000)  # so that it is larger than the log of the checkpoint gets
        result = self.run_it(*FAST, preexec_fn=self.with_largest_file(6_000_000))
        self.assert_one_line(result, 1, str(self.output), "File too large")
        self.assertEqual(result.stats["outcome"], "write_failed")
        self.assertTrue(self.output.read_bytes().endswith(b"}\n"))
        saved = self.saved()[0]
        self.assertGreater(saved, 0)
        self.assert_goes_on(saved)

    def test_of_the_checkpoint(self):
        for size in [1, 1000, 5000, 20_000, 30_000, 40_000, 50_000]:
            with self.subTest(size=size):
                self.remove_files()
                result = self.run_without_stats(*FAST, preexec_fn=self.with_largest_file(size))
                is_made = self.checkpoint.exists()
                self.assert_one_line(result, 1 if is_made else 2, str(self.checkpoint),
                                     "File too large")
                self.assertEqual(is_made, size >= 30_000)
                self.assertEqual(self.output.exists(), is_made)
                self.assert_goes_on(self.saved()[0])

    def test_of_a_checkpoint_that_was_saved_before(self):
        self.stop_in_the_middle()
        saved = self.saved()[0]
        before = self.files()
        for size in [1, 1000, 5000]:
            with self.subTest(size=size):
                result = self.run_without_stats(*FAST, preexec_fn=self.with_largest_file(size))
                self.assertIn(result.status, (1, 2))
                self.assert_one_line(result, result.status, "File too large")
                text = self.output.read_bytes()
                self.assertEqual(text[:self.saved()[1]], before[self.output.name][:self.saved()[1]])
                self.assertEqual(self.saved()[0], saved)
        self.assert_goes_on(saved)


if __name__ == "__main__":
    unittest.main()
