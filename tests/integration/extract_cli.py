"""The command line of `extract`: what it says and how it ends."""
import json
import os
import signal
import subprocess
import time
import unittest
import urllib.request

from support import EXTRACT, Case, start_server

FAST = ["--rate", "1000/s"]


class BadUsage(Case):
    def test_each_gets_one_line_and_status_2(self):
        url = "http://127.0.0.1:1/"
        for arguments, part in [
            ([], "url"),
            ([url], "--rate"),
            ([url, "--rate", "fast"], "--rate fast"),
            ([url, "--rate", "100"], "100/60s"),
            ([url, "--rate", "0/s"], "0/s"),
            ([url, "--rate", "-1/s"], "-1/s"),
            ([url, "--rate", "1/0s"], "1/0s"),
            ([url, "--rate", "1/parsec"], "parsec"),
            ([url, "--rate", "1.5/s"], "1.5/s"),
            ([url, *FAST, "--unknown"], "--unknown"),
            ([url, *FAST, "surplus"], "surplus"),
            ([url, *FAST, "--records", "results"], "results"),
            ([url, *FAST, "--total", "count"], "count"),
            ([url, *FAST, "--header", "nonsense"], "nonsense"),
            ([url, *FAST, "--header", "Bad Name: x"], "header"),
            ([url, *FAST, "--header", "X: a\r\nEvil: b"], "X"),
            ([url, *FAST, "--page-size", "0"], "page-size"),
            ([url, *FAST, "--page-size", "-5"], "page-size"),
            ([url, *FAST, "--max-in-flight", "0"], "max-in-flight"),
            ([url, *FAST, "--timeout", "soon"], "soon"),
            ([url, *FAST, "--rate-kind", "fast"], "rate-kind"),
            ([url, *FAST, "--burst", "5"], "--burst"),
            ([url, *FAST, "--paginate", "sideways"], "paginate"),
            ([url, *FAST, "--output", "/nonexistent/file"], "/nonexistent/file"),
            (["ftp://127.0.0.1/", *FAST], "ftp"),
            (["file:///etc/passwd", *FAST], "file"),
            (["127.0.0.1", *FAST], "127.0.0.1"),
            ([url, *FAST, "--checkpoint", "f"], "not supported yet"),
        ]:
            with self.subTest(arguments=arguments):
                result = self.extract(*arguments)
                self.assert_one_line(result, 2, part)
                self.assertEqual(result.stdout, b"")

    def test_help_is_no_failure(self):
        process = subprocess.run([EXTRACT, "--help"], capture_output=True, check=True)
        self.assertIn(b"--rate", process.stdout)


class Lists(Case):
    def setUp(self):
        super().setUp()
        self.url = f"http://127.0.0.1:{start_server(self, 'small_api.py')}"

    def test_each_record_once_whatever_the_pages(self):
        for path in ["good", "clamped", "short", "no-total"]:
            for size in [["--page-size", "100"], ["--page-size", "7"], []]:
                with self.subTest(path=path, size=size):
                    result = self.extract(f"{self.url}/{path}", *FAST, *size)
                    self.assertEqual((result.status, result.stderr), (0, ""))
                    self.assertEqual(sorted(r["id"] for r in result.records()), list(range(250)))

    def test_an_empty_list_is_complete(self):
        result = self.extract(f"{self.url}/empty", *FAST)
        self.assertEqual((result.status, result.stdout), (0, b""))
        self.assertEqual(result.stats["outcome"], "complete")

    def test_a_total_that_is_not_reached_is_told(self):
        result = self.extract(f"{self.url}/wrong-total", *FAST)
        self.assert_one_line(result, 1, "1000", "250")
        self.assertEqual(result.stats["outcome"], "count_mismatch")
        self.assertEqual(len(result.records()), 250)

    def test_a_failure_names_the_page_and_the_reason(self):
        for path, reason, *code in [("403", "403"), ("500", "500"), ("html", "not JSON"),
                                    ("text", "no /results"), ("no-results", "no /results"),
                                    ("no-array", "must be an array"), ("cut", "GET http"),
                                    ("redirect", "is not the origin", "foreign_origin"),
                                    ("large", "larger than 1000000 bytes", "bound_exceeded")]:
            for prefix, page in [("", "offset 0:"), ("later-", "offset ")]:
                with self.subTest(path=prefix + path):
                    result = self.extract(f"{self.url}/{prefix}{path}", *FAST, "--page-size", "50",
                                          "--max-page-bytes", "1000000", "--retries", "1")
                    self.assert_one_line(result, 1, "page at " + page, reason)
                    self.assertEqual(result.stats["outcome"], *code or ["page_failed"])
                    ids = [record["id"] for record in result.records()]
                    self.assertEqual(len(ids), len(set(ids)))
                    self.assertEqual(len(ids) > 0, prefix == "later-")

    def test_hosts_that_cannot_be_reached(self):
        result = self.extract("http://127.0.0.1:1/x", *FAST)
        self.assert_one_line(result, 1, "page at offset 0", "http://127.0.0.1:1/x", "onnect")
        result = self.extract("http://user:secret@nonexistent.invalid/", *FAST)
        self.assert_one_line(result, 1, "page at offset 0", "resolve")
        self.assertNotIn("secret", result.stderr)

    def test_a_timeout_is_told(self):
        result = self.extract(f"{self.url}/hang", *FAST, "--timeout", "200ms", "--retries", "0")
        self.assert_one_line(result, 1, "page at offset 0", "timed out")

    def test_a_cap_on_pages_is_no_success(self):
        result = self.extract(f"{self.url}/good", *FAST, "--page-size", "50", "--max-pages", "2")
        self.assert_one_line(result, 1, "2 pages")
        self.assertEqual(result.stats["outcome"], "page_cap")
        self.assertEqual(len(result.records()), 100)

    def test_headers_and_parameters_are_sent(self):
        result = self.extract(f"{self.url}/good?q=a%2Fb", *FAST, "--header", "X-One: 1", "--header",
                              "X-Two:2", "--max-pages", "1", "--page-size", "50")
        self.assertEqual(result.status, 1)
        with urllib.request.urlopen(f"{self.url}/seen") as answer:
            path, headers = json.load(answer)[0]
        self.assertEqual(path, "/good?q=a%2Fb&offset=0&limit=50")
        self.assertEqual((headers["X-One"], headers["X-Two"]), ("1", "2"))

    def test_a_file_gets_the_records(self):
        output = self.directory / "records.ndjson"
        output.write_text("what was there before\n")
        result = self.extract(f"{self.url}/good", *FAST, "--output", output)
        self.assertEqual((result.status, result.stdout), (0, b""))
        self.assertEqual(len(output.read_text().splitlines()), 250)

    def test_a_full_device_and_a_closed_pipe_are_told(self):
        result = self.extract(f"{self.url}/good", *FAST, "--output", "/dev/full")
        self.assert_one_line(result, 1, "/dev/full", "No space left")
        process = self.start(f"{self.url}/good", *FAST, "--page-size", "1")
        process.stdout.readline()
        process.stdout.close()
        stderr = process.stderr.read().decode()
        self.assertEqual(process.wait(timeout=60), 1)
        self.assertIn("standard output", stderr)


    def test_closed_standard_streams_are_told(self):
        for closed, status in [(">&-", 1), ("2>&-", 0), ("<&-", 0)]:
            with self.subTest(closed=closed):
                shell = f'"$0" "$@" {closed}'
                process = subprocess.run(["sh", "-c", shell, EXTRACT, f"{self.url}/good", *FAST],
                                         capture_output=True)
                self.assertEqual(process.returncode, status, process.stderr)
                self.assertEqual(process.stdout.count(b"\n"), 0 if status else 250)


class Interrupted(Case):
    def interrupt(self, process):
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        return time.monotonic() - begin

    def setUp(self):
        super().setUp()
        self.url = f"http://127.0.0.1:{start_server(self, 'small_api.py')}"

    def test_status_130_and_whole_lines(self):
        for rate in ["4/s", "1/h", "1000/s"]:
            with self.subTest(rate=rate):
                process = self.start(f"{self.url}/later-hang", "--rate", rate, "--page-size", "50")
                first = process.stdout.readline()
                self.assertLess(self.interrupt(process), 1.0)
                self.assertEqual(process.returncode, 130)
                rest = process.stdout.read()
                self.assertTrue(rest == b"" or rest.endswith(b"\n"))
                for line in [first, *rest.splitlines()]:
                    self.assertIn("id", json.loads(line))
                self.assertEqual(process.stderr.read().count(b"\n"), 1)

    def test_a_reader_that_does_not_read_is_not_waited_for(self):
        process = self.start(f"{self.url}/good", *FAST, "--page-size", "1", pipesize=4096)
        process.stdout.readline()
        asked = 0
        while (now := self.asked()) != asked:  # until it is stuck
            asked = now
            time.sleep(0.1)
        self.assertLess(asked, 250)
        self.assertLess(self.interrupt(process), 1.0)
        rest = process.stdout.read()
        self.assertTrue(rest.endswith(b"\n"))
        self.assertEqual(process.returncode, 130)

    def asked(self):
        with urllib.request.urlopen(f"{self.url}/seen") as answer:
            return sum(path.startswith("/good") for path, _ in json.load(answer))


if __name__ == "__main__":
    unittest.main()
