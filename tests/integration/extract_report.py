"""The page that `extract --report` writes: what is on it, and what a browser makes of it.

REPORT_SCREENSHOT names a file that gets the picture of a run with something to see. Without
Chromium what needs it is skipped.
"""
import json
import os
import re
import signal
import time
import unittest

import browser
from support import Case, start_server
from watched_api import RECORDS

RATE = ["--rate", "40/s", "--page-size", "2"]


class Reports(Case):
    def setUp(self):
        super().setUp()
        self.url = f"http://127.0.0.1:{start_server(self, 'watched_api.py')}"
        self.page = self.directory / "report.html"
        self.output = self.directory / "records.ndjson"

    def report(self, path, *arguments):
        result = self.extract(f"{self.url}/{path}", "--output", self.output, "--report", self.page,
                              *arguments)
        self.check_left()
        return result

    def check_left(self):
        """Nothing is left behind but the page, which is whole and takes nothing from elsewhere."""
        self.assertEqual([each for each in os.listdir(self.directory) if each.startswith(".")], [])
        self.text = self.page.read_text()
        self.assertTrue(self.text.endswith("</html>\n"))
        self.assertLess(len(self.text), 300_000)
        self.assertIsNone(re.search(r"\b(src|href)\s*=|url\(|@import", html_only(self.text)))
        self.data = json.loads(re.search(r'id="data">(.*?)</script>', self.text)[1])

    def test_a_run_with_everything(self):
        self.page.write_text("the report of another run")
        url = self.url.replace("://", "://user:secret@")
        result = self.extract(f"{url}/list", *RATE, "--output", self.output, "--report", self.page)
        self.assertEqual((result.status, result.stderr), (0, ""))
        self.assertEqual(len(self.output.read_bytes().splitlines()), RECORDS)
        self.check_left()
        stats = result.stats
        self.assertNotIn("secret", self.text)
        self.assertEqual(self.data["outcome"], "complete")
        self.assertEqual(self.data["records"][-1], RECORDS)
        self.assertEqual(sum(self.data["retries"]), stats["retries"])
        self.assertEqual(sum(self.data["http_429"]), stats["http_429"])
        self.assertGreater(stats["http_429"], 0)
        self.assertEqual(max(self.data["in_flight"]), stats["peak_in_flight"])
        self.assertAlmostEqual(max(self.data["limit"]), 40)
        self.assertLessEqual(max(self.data["requests"]), 40)
        self.assertAlmostEqual(sum(self.data["paused_share"]) * self.data["interval_s"],
                               stats["waited_s"], delta=0.1)
        self.assertGreater(max(filter(None, self.data["longest_s"])), 0.3)
        for part in ["complete", f"total of {RECORDS} records reached", "Requests in the last 1 s",
                     "limit", "paused by the server", "In flight", "Latency of pages", "p95",
                     "Failures and retries", "status 429", "status 503", "evenly spaced",
                     "prefers-color-scheme: dark"]:
            self.assertIn(part, self.text)
        self.check_shown()

    def check_shown(self):
        if not browser.CHROMIUM:
            self.skipTest("chromium is not installed: nobody has looked at the page")
        dom = browser.dom(self.page)
        for part in ["<title>extract: complete</title>", ">complete</span>", "<path class=\"area sent\""]:
            self.assertIn(part, dom)
        self.assertIn('<div id="tip">', dom, "the script did not run")
        pictures = []
        for scheme, dark in [([], False), (["--force-dark-mode"], True)]:
            file = self.directory / f"{dark}.png"
            colours = browser.screenshot(self.page, file, *scheme)
            pictures.append(file)
            self.check_picture(colours, dark)
        self.check_picture(browser.screenshot(self.page, self.directory / "narrow.png", width=500),
                           False)
        if target := os.environ.get("REPORT_SCREENSHOT"):
            with open(target, "wb") as copy:
                copy.write(pictures[0].read_bytes())

    def check_picture(self, colours, dark):
        all_ = sum(colours.values())
        back, pixels = colours.most_common(1)[0]
        self.assertGreater(len(colours), 50)
        self.assertLess(pixels, 0.8 * all_, "most of the page is empty")
        self.assertEqual(sum(back) < 3 * 64, dark, back)
        # The curve of the requests, in the colour of its scheme.
        self.assertGreater(colours[bytes.fromhex("6ea2ff" if dark else "2f6fde")], 200)

    def test_what_the_server_says_is_text(self):
        result = self.report("evil", *RATE[:2], "--paginate", "next")
        self.assert_one_line(result, 1, "<script>document.title='stolen'</script>")
        self.assertEqual(self.text.count("<script"), 2)
        self.assertNotIn("<img", self.text)
        self.assertIn("<script>document.title", self.data["reason"])
        if browser.CHROMIUM:
            dom = browser.dom(self.page)
            self.assertIn("<title>extract: foreign_origin</title>", dom)
            self.assertNotIn("<img", dom)

    def test_a_run_that_is_interrupted_has_its_page(self):
        for which in [signal.SIGINT, signal.SIGTERM]:
            with self.subTest(signal=which):
                self.page.unlink(missing_ok=True)
                process = self.start(f"{self.url}/slow", *RATE, "--output", self.output,
                                     "--report", self.page)
                deadline = time.monotonic() + 60
                while self.output.stat().st_size == 0 if self.output.exists() else True:
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
                self.assertFalse(self.page.exists())
                process.send_signal(which)
                stderr = process.communicate(timeout=30)[1].decode()
                self.assertEqual(process.returncode, 130, stderr)
                self.check_left()
                written = len(self.output.read_bytes().splitlines())
                self.assertIn(f"interrupted after {written} records", self.text)
                self.assertEqual(self.data["outcome"], "cancelled")
                self.output.unlink()

    def test_a_run_that_falls_short_says_why(self):
        result = self.report("list", *RATE, "--max-pages", "20")
        self.assertEqual(result.status, 1)
        self.assertIn(">page_cap</span> stopped after 20 pages", self.text)

    def test_records_that_cannot_be_written_are_told(self):
        self.output = "/dev/full"
        result = self.report("list", *RATE)
        self.assert_one_line(result, 1, "No space left")
        self.assertEqual(self.data["outcome"], "write_failed")

    def test_a_file_that_cannot_be_written_is_told_first(self):
        self.output.write_text("what was there before\n")
        for file, reason in [("/nonexistent/report.html", "No such file"), ("/proc/report.html", ""),
                             (self.directory, "directory"), ("/dev/full", "no regular file"),
                             (self.output / "report.html", "Not a directory"), ("", "must be a file"),
                             ("-", "must be a file")]:
            with self.subTest(file=file):
                process = self.start(f"{self.url}/list", *RATE, "--report", file, "--output",
                                     self.output)
                stdout, stderr = process.communicate(timeout=60)
                self.assertEqual((process.returncode, stdout), (2, b""))
                self.assertEqual(stderr.count(b"\n"), 1, stderr)
                self.assertIn(str(file).encode(), stderr)
                self.assertIn(reason.encode(), stderr)
                self.assertEqual(self.output.read_text(), "what was there before\n")

    def test_one_file_for_two_things_is_refused(self):
        for option in ["--output", "--stats"]:
            process = self.start(f"{self.url}/list", *RATE, "--report", self.page, option, self.page)
            stderr = process.communicate(timeout=60)[1].decode()
            self.assertEqual(process.returncode, 2)
            self.assertIn(f"--report and {option} are both {self.page}", stderr)

    def test_a_page_that_cannot_be_written_at_the_end_costs_no_records(self):
        folder = self.directory / "gone"
        folder.mkdir()
        process = self.start(f"{self.url}/list", *RATE, "--output", self.output, "--report",
                             folder / "report.html")
        while not self.output.exists() or self.output.stat().st_size == 0:
            time.sleep(0.02)
        folder.rmdir()
        stderr = process.communicate(timeout=60)[1].decode()
        self.assertEqual((process.returncode, stderr.count("\n")), (1, 1), stderr)
        self.assertIn(f"cannot write to {folder}/report.html: No such file", stderr)
        self.assertEqual(len(self.output.read_bytes().splitlines()), RECORDS)

    def test_a_link_stays_one(self):
        target = self.directory / "target.html"
        target.write_text("the report of another run")
        self.page.symlink_to(target)
        self.report("list", *RATE, "--max-pages", "3")
        self.assertTrue(self.page.is_symlink())
        self.assertTrue(target.read_text().endswith("</html>\n"))


def html_only(page):
    """A page without its scripts and the texts on it."""
    return "".join(re.findall(r"<[^>]*>|<style>.*?</style>", re.sub(
        r"<script.*?</script>", "", page, flags=re.DOTALL), flags=re.DOTALL))


if __name__ == "__main__":
    unittest.main()
