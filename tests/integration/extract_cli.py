"""The command line of `extract`: what it says and how it ends."""
import json
import pathlib
import resource
import signal
import subprocess
import time
import unittest
import urllib.request

from support import EXTRACT, Case, Result, start_server

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
            ([url, *FAST, "--allow-origin", "*", "--paginate", "next"], '--allow-origin: URL "*"'),
            ([url, *FAST, "--limit-param", "size"], "--limit-param needs --page-size"),
            ([url, *FAST, "--paginate", "cursor", "--cursor-header", "X-Next", "--next", "/next"],
             "--next"),
            ([url, *FAST, "--header", "nonsense"], "nonsense"),
            ([url, *FAST, "--header", "Bad Name: x"], "--header Bad Name:"),
            ([url, *FAST, "--header", "X: a\r\nEvil: b"], "X"),
            ([url, *FAST, "--header", "X\nY: a"], "--header X?Y:"),
            ([url, *FAST, "--un\nknown"], "--un?known"),
            ([url, *FAST, "--max-in-flight", "0"], "max-in-flight"),
            ([url, *FAST, "--timeout", "soon"], "soon"),
            ([url, *FAST, "--timeout", "0"], "more than 0"),
            ([url, *FAST, "--stall", ""], "--stall"),
            ([url, *FAST, "--max-wait", "-1s"], "at least 0"),
            ([url, *FAST, "--repeat-post"], "--data"),
            ([url, *FAST, "--rate-kind", "fast"], "rate-kind"),
            ([url, *FAST, "--burst", "5"], "--burst"),
            ([url, *FAST, "--paginate", "sideways"], "paginate"),
            ([url, *FAST, "--output", "/nonexistent/file"], "/nonexistent/file"),
            (["ftp://127.0.0.1/", *FAST], "ftp"),
            (["file:///etc/passwd", *FAST], "file"),
            (["127.0.0.1", *FAST], "127.0.0.1"),
            ([url, *FAST, "--checkpoint", "f"], "--checkpoint needs --output"),
            ([url, *FAST, "--checkpoint", "-", "--output", "f"], "--checkpoint"),
            ([url, *FAST, "--checkpoint", "f", "--output", "./f"], "both ./f"),
            ([url, *FAST, "--checkpoint", "f", "--output", "g", "--stats", "f"], "both f"),
            ([url, *FAST, "--quota", "f"], "--quota: Redis URL"),
            ([url, *FAST, "--work", "redis://127.0.0.1/work"], "--work needs --quota"),
            ([url, *FAST, "--stats", ""], "--stats"),
            ([url, *FAST, "--stats", "-"], "both standard output"),
            ([url, *FAST, "--stats", "f", "--output", "f"], "both f"),
            ([url, *FAST, "--stats", "f", "--output", "./f"], "both ./f"),
            ([url, *FAST, "--report", "f", "--output", "./f"], "both ./f"),
            ([url, *FAST, "--report", "./f", "--stats", "f"], "both f"),
        ]:
            with self.subTest(arguments=arguments):
                self.assert_refused(arguments, part)

    def test_a_number_that_is_not_allowed_names_the_option_and_what_is(self):
        too_large = "9" * 22
        for option, range_ in [("--page-size", "1 to 4294967295"), ("--in-flight", "1 to 1000000000"),
                               ("--burst", "1 to 1000000000"), ("--max-in-flight", "1 to 100000"),
                               ("--max-pages", "1 to 1000000000000000"),
                               ("--max-page-bytes", "1 to 1000000000000000"),
                               ("--first-page", "0 to 1000000000000000"),
                               ("--retries", "0 to 1000")]:
            for value in ["0", "-1", "-18446744073709551615", "", "100x", "1.5", "99999999999999999",
                          "99999999999999999999", too_large, "-" + too_large]:
                if value == range_[0]:
                    continue
                with self.subTest(option=option, value=value):
                    self.assert_refused(["http://127.0.0.1:1/", *FAST, option, value],
                                        option + ": ", range_)

    def test_what_is_no_json_pointer_names_its_option(self):
        for option in ["--records", "--total", "--next", "--more", "--key", "--seam-check",
                       "--unique"]:
            with self.subTest(option=option):
                self.assert_refused(["http://127.0.0.1:1/", *FAST, option, "results"],
                                    f'{option}: "results" is not a JSON Pointer')
        for option in ["--offset-param", "--limit-param", "--page-param", "--cursor-param"]:
            with self.subTest(option=option):
                self.assert_refused(["http://127.0.0.1:1/", *FAST, option, "/~x"],
                                    f'{option}: "/~x" is not a JSON Pointer')

    def test_an_option_of_another_style_is_not_ignored(self):
        values = {"--offset-param": "a", "--page-param": "a", "--cursor-param": "a",
                  "--first-page": "2", "--cursor-header": "X-Next",
                  "--allow-origin": "http://127.0.0.1:2"}
        styles = {"--offset-param": ["offset"], "--seam-check": ["offset"],
                  "--page-param": ["page"], "--first-page": ["page"],
                  "--cursor-param": ["cursor", "keyset"], "--cursor-header": ["cursor"],
                  "--more": ["cursor"], "--next": ["cursor", "next"],
                  "--allow-origin": ["next", "link"], "--key": ["keyset"],
                  "--total": ["offset", "page", "cursor", "next", "link"]}
        for option, known in styles.items():
            for style in ["offset", "page", "cursor", "next", "link", "keyset"]:
                if style in known:
                    continue
                with self.subTest(option=option, style=style):
                    self.assert_refused(["http://127.0.0.1:1/", *FAST, "--paginate", style, option,
                                         values.get(option, "/a")],
                                        f"{option} needs --paginate {known[0]}", known[-1])

    def test_a_rate_is_a_positive_number(self):
        for rate in ["-1/s", "-18446744073709551516/s", "18446744073709551617/s", "0/s", "/s",
                     "1000000001/s"]:
            with self.subTest(rate=rate):
                self.assert_refused(["http://127.0.0.1:1/", "--rate", rate], f"--rate {rate}: ",
                                    "1 to 1000000000")

    def test_a_place_in_the_body_needs_a_body(self):
        for option in ["--offset-param", "--limit-param", "--page-param", "--cursor-param"]:
            with self.subTest(option=option):
                self.assert_refused(["http://127.0.0.1:1/", *FAST, option, "/place"],
                                    option + " /place", "--data")

    def test_a_file_for_the_stats_that_cannot_be_written_is_told_first(self):
        for file, reason in [("/nonexistent/file", "No such file"), (self.directory, "directory")]:
            with self.subTest(file=file):
                self.assert_refused(["http://127.0.0.1:1/", *FAST, "--stats", file], str(file),
                                    reason)

    def assert_refused(self, arguments, *parts):
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=60)
        result = Result(process, stdout, stderr, self.directory / "none")
        self.assert_one_line(result, 2, *parts)
        self.assertEqual(stdout, b"")

    def test_help_is_no_failure(self):
        process = subprocess.run([EXTRACT, "--help"], capture_output=True, check=True)
        self.assertIn(b"--rate", process.stdout)

    def test_the_version_is_no_failure(self):
        process = subprocess.run([EXTRACT, "--version"], capture_output=True, check=True)
        self.assertRegex(process.stdout, rb"^extract \d+\.\d+\.\d+\n$")


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
        for path, reason, *code in [("403", "status 403 to http://127.0.0.1:"),
                                    ("500", "status 500 to http://127.0.0.1:"), ("html", "not JSON"),
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

    def test_a_size_may_have_a_unit(self):
        for size in ["1M", "1MiB", "1024k", "1048576"]:
            with self.subTest(size=size):
                result = self.extract(f"{self.url}/large", *FAST, "--max-page-bytes", size)
                self.assert_one_line(result, 1, "larger than 1048576 bytes")

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

    def test_a_disk_that_gets_full_leaves_whole_lines_and_their_number(self):
        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

        output = self.directory / "records.ndjson"
        before = b'{"id": -1}\n'
        for size in ["1", "100"]:
            for mode, arguments in [("ab", []), ("wb", []), ("ab", ["--output", output])]:
                with self.subTest(size=size, mode=mode, arguments=arguments):
                    output.write_bytes(before)
                    with open(output, mode) as stdout:
                        result = self.extract(f"{self.url}/good", *FAST, "--page-size", size,
                                              *arguments, stdout=stdout, preexec_fn=small_files)
                    self.assert_one_line(result, 1, "File too large")
                    text = output.read_bytes()
                    self.assertTrue(text.endswith(b"}\n"))
                    self.assertGreater(len(text), 9_000)
                    rows = [row for line in text.splitlines() if (row := json.loads(line))["id"] >= 0]
                    self.assertEqual(text.startswith(before), mode == "ab" and not arguments)
                    self.assertEqual(result.stats["records_written"], len(rows))
                    self.assertEqual(result.stats["outcome"], "write_failed")
                    self.assertIn("File too large", result.stats["reason"])

    def test_the_stats_may_go_to_standard_output(self):
        result = self.start(f"{self.url}/good", *FAST, "--stats", "-", "--output",
                            self.directory / "records.ndjson")
        stdout, stderr = result.communicate(timeout=60)
        self.assertEqual((result.returncode, stderr), (0, b""))
        stats = json.loads(stdout)
        self.assertEqual((stats["outcome"], stats["records_written"]), ("complete", 250))

    def test_stats_that_cannot_be_written_come_after_what_the_run_says(self):
        for path, said in [("good", []), ("403", ["status 403"])]:
            with self.subTest(path=path):
                process = self.start(f"{self.url}/{path}", *FAST, "--stats", "/dev/full")
                lines = process.communicate(timeout=60)[1].decode().splitlines()
                self.assertEqual((process.returncode, len(lines)), (1, len(said) + 1), lines)
                for line, part in zip(lines, [*said, "/dev/full: No space left"]):
                    self.assertIn(part, line)

    def test_a_stall_is_told_in_seconds(self):
        result = self.extract(f"{self.url}/hang", *FAST, "--stall", "250ms")
        self.assert_one_line(result, 1, "no page came for 0.25 s\n")
        self.assertEqual(result.stats["outcome"], "stalled")

    def test_no_wait_at_all_may_be_allowed(self):
        result = self.extract(f"{self.url}/good", *FAST, "--max-wait", "0")
        self.assertEqual((result.status, result.stderr), (0, ""))

    def test_closed_standard_streams_are_told(self):
        for closed, status in [(">&-", 1), ("2>&-", 0), ("<&-", 0)]:
            with self.subTest(closed=closed):
                shell = f'"$0" "$@" {closed}'
                process = subprocess.run(["sh", "-c", shell, EXTRACT, f"{self.url}/good", *FAST],
                                         capture_output=True)
                self.assertEqual(process.returncode, status, process.stderr)
                self.assertEqual(process.stdout.count(b"\n"), 0 if status else 250)


class Examples(Case):
    """The small programs next to `extract`."""

    def setUp(self):
        super().setUp()
        self.url = f"http://127.0.0.1:{start_server(self, 'small_api.py')}"

    def run_example(self, name, *arguments):
        process = subprocess.run([pathlib.Path(EXTRACT).with_name(name), *arguments],
                                 capture_output=True, timeout=60)
        return process.returncode, process.stdout.decode(), process.stderr.decode()

    def test_one_argument_is_needed(self):
        for name in ["first_program", "worker_pool"]:
            with self.subTest(name=name):
                self.assertEqual(self.run_example(name), (2, "", f"usage: {name} URL\n"))

    def test_success_only_if_everything_came(self):
        status, stdout, stderr = self.run_example("first_program", f"{self.url}/good?limit=100")
        self.assertEqual((status, stdout.count("\n")), (0, 250), stderr)
        self.assertIn("complete: ", stderr)
        for path, part in [("403", "page_failed: "), ("wrong-total?limit=100", "count_mismatch: ")]:
            with self.subTest(path=path):
                status, _, stderr = self.run_example("first_program", f"{self.url}/{path}")
                self.assertEqual((status, stderr.count("\n")), (1, 1), stderr)
                self.assertIn(part, stderr)

    def test_a_failure_ends_with_a_message(self):
        for name, url, part in [("first_program", "nonsense:", "nonsense"),
                                ("worker_pool", "nonsense:", "nonsense"),
                                ("worker_pool", "http://127.0.0.1:1/", "onnect"),
                                ("worker_pool", f"{self.url}/403", "403"),
                                ("worker_pool", f"{self.url}/html", "parse")]:
            with self.subTest(name=name, url=url):
                status, _, stderr = self.run_example(name, url)
                self.assertEqual((status, stderr.count("\n")), (1, 1), stderr)
                self.assertTrue(stderr.startswith(name + ": "), stderr)
                self.assertIn(part, stderr)


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
