"""`extract` pulls a real API whole, at exactly the rate it allows."""
import json
import os
import resource  # noqa: F401  (os.wait4 fills its structure)
import sqlite3
import time
import unittest

from support import Case, start_server


class Django(Case):
    def serve(self, *, rate, period, records=None):
        self.database = self.directory / f"{records or 'all'}.sqlite3"
        self.log = self.directory / "requests.log"
        more = ["--records", records] if records else []
        port = start_server(self, "django_api.py", "--database", self.database, "--log", self.log,
                            "--rate", rate, "--period", period, *more)
        return f"http://127.0.0.1:{port}/api"

    def requests(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def rows(self):
        with sqlite3.connect(self.database) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM packages_package ORDER BY id")]

    def assert_each_once(self, records):
        rows = self.rows()
        self.assertGreater(len(rows), 1000)
        self.assertEqual(len(records), len(rows))
        self.assertEqual(sorted(records, key=lambda record: record["id"]), rows)

    def test_all_records_once_at_the_whole_rate_and_as_a_stream(self):
        url = self.serve(rate=20, period=2)
        stats = self.directory / "stats.json"
        process = self.start(url + "/packages/", "--rate", "20/2s", "--page-size", 1000, "--stats", stats)
        first_line = process.stdout.readline()
        first_at = time.monotonic()
        rest, stderr = process.stdout.read(), process.stderr.read()
        self.assertEqual((process.wait(), stderr), (0, b""))
        self.assert_each_once([json.loads(line) for line in [first_line, *rest.splitlines()]])
        requests = self.requests()
        self.assertTrue(all(request["allowed"] for request in requests), "429")
        self.assertLess(first_at, requests[-1]["at"])
        told = json.loads(stats.read_text())
        self.assertEqual(told["outcome"], "complete")
        self.assertIn("total of", told["reason"])
        self.assertEqual(told["records"], len(self.rows()))
        self.assertEqual(told["pages"], len(requests))
        self.assertEqual(told["requests"], len(requests))
        self.assertEqual((told["http_429"], told["retries"]), (0, 0))
        self.assertGreaterEqual(told["peak_in_flight"], 1)
        self.assertGreater(told["elapsed_s"], (len(requests) - 1) / 10)

    def test_a_window_is_used_at_once_and_never_overrun(self):
        url = self.serve(rate=20, period=2, records=6000)
        result = self.extract(url + "/packages/", "--rate", "20/2s", "--rate-kind", "window",
                              "--page-size", 50)
        self.assertEqual(result.status, 0, result.stderr)
        self.assert_each_once(result.records())
        requests = self.requests()
        self.assertTrue(all(request["allowed"] for request in requests), "429")
        self.assertLess(requests[19]["at"] - requests[0]["at"], 1.5)
        self.assertGreater(19 * (requests[-1]["at"] - requests[0]["at"]), len(requests))

    def test_an_unknown_end_is_found(self):
        url = self.serve(rate=1000, period=1, records=7000)
        result = self.extract(url + "/packages-without-count/", "--rate", "1000/s", "--page-size", 500)
        self.assertEqual(result.status, 0, result.stderr)
        self.assert_each_once(result.records())
        self.assertLessEqual(len(self.requests()), 14 + 64)
        self.assertIn("empty page at offset 7000", result.stats["reason"])

    def test_too_fast_a_rate_is_slowed_down_by_the_server(self):
        url = self.serve(rate=5, period=2, records=2500)
        result = self.extract(url + "/packages/", "--rate", "100/s", "--page-size", 100)
        self.assertEqual(result.status, 0, result.stderr)
        self.assert_each_once(result.records())
        refused = sum(not request["allowed"] for request in self.requests())
        self.assertEqual(result.stats["http_429"], refused)
        self.assertGreaterEqual(refused, 1)

    def test_a_wait_that_is_too_long_is_told(self):
        url = self.serve(rate=5, period=60, records=2500)
        result = self.extract(url + "/packages/", "--rate", "100/s", "--page-size", 100, "--max-wait", "10s")
        self.assert_one_line(result, 1, "page at offset", "status 429", "more than the 10 s")
        self.assertEqual(result.stats["outcome"], "wait_too_long")
        self.assertEqual(len(result.records()), result.stats["records"])

    @unittest.skipUnless(os.environ.get("MEASURE_MEMORY"), "says nothing under a sanitizer")
    def test_memory_does_not_grow_with_the_list(self):
        peaks = {}
        for records in (6000, 60000):
            url = self.serve(rate=1000, period=1, records=records)
            output = self.directory / "records.ndjson"
            process = self.start(url + "/packages/", "--rate", "200/s", "--page-size", 500, "--output", output)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0)
            self.assertEqual(output.read_bytes().count(b"\n"), records)
            peaks[records] = used.ru_maxrss
        self.assertLess(peaks[60000] - peaks[6000], 10 * 1024, peaks)


if __name__ == "__main__":
    unittest.main()
