"""`extract --quota` and `--work`: processes that share a limit and a list over Redis."""
import json
import os
import resource
import signal
import time
import unittest
import urllib.request

from redis_server import RedisServer, free_port
from support import Case, Result, start_server


def wait_until(condition, what, seconds=100):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s until {what}")
        time.sleep(0.01)


def most_in(times, period):
    """The most of these that came within any such period, its end excluded."""
    times = sorted(times)
    most = first = 0
    for last, when in enumerate(times):
        while when - times[first] >= period:
            first += 1
        most = max(most, last - first + 1)
    return most


def ids_of(*files):
    return [json.loads(line)["id"] for file in files for line in file.read_bytes().splitlines()]


class SharedCase(Case):
    limit, period = 1000, 1.0
    server = ()

    def setUp(self):
        super().setUp()
        self.port = start_server(self, "shared_api.py", "--limit", self.limit, "--period",
                                 self.period, *self.server)

    def url(self, path="offset", job="1", **more):
        return (f"http://127.0.0.1:{self.port}/{path}?job={job}" +
                "".join(f"&{name}={value}" for name, value in more.items()))

    def log(self, job="1"):
        with urllib.request.urlopen(self.url("log", job)) as answer:
            return json.load(answer)

    def change(self, job="1", **settings):
        urllib.request.urlopen(self.url("set", job, **settings)).close()

    def output(self, name):
        return self.directory / f"{name}.ndjson"

    def launch(self, name, url, *more, rate=None, **options):
        """A process of that name, with an output and statistics of that name."""
        stats = self.directory / f"{name}.json"
        stats.unlink(missing_ok=True)
        arguments = [url, "--rate", rate or f"{self.limit}/{self.period}s", "--page-size", 10,
                     "--stats", stats, *more]
        if "--output" not in more:
            arguments += ["--output", self.output(name)]
        process = self.start(*arguments, **options)
        process.stats = stats
        return process

    def end(self, process):
        stdout, stderr = process.communicate(timeout=150)
        return Result(process, stdout, stderr, process.stats)

    def run_it(self, *arguments, **options):
        return self.end(self.launch(*arguments, **options))

    def assert_complete(self, *results):
        for result in results:
            self.assertEqual((result.status, result.stderr), (0, ""))
            self.assertEqual(result.stats["outcome"], "complete")

    def assert_limit_kept(self, job="1"):
        log = self.log(job)
        self.assertEqual([entry for entry in log if entry[2] == 429], [])
        self.assertLessEqual(most_in([came for _, came, _ in log], self.period), self.limit)


class Quota(SharedCase):
    # What the machine puts off longer than 1.8 % of the period may come too close to what follows.
    limit, period = 120, 3.0
    server = ("--records", 40000)

    def quota(self, redis):
        return ["--quota", redis.url("quota")]

    def test_four_processes_use_one_quota_in_full_and_share_it(self):
        redis = RedisServer(self)
        processes = [self.launch(f"{i}", self.url(list=i), *self.quota(redis)) for i in range(4)]
        wait_until(lambda: all(any(f"list={i}" in entry[0] for entry in self.log())
                               for i in range(4)), "all have begun")
        begun = len(self.log())

        def middle():
            return self.log()[begun:]

        # The machine has others to serve: what counts is that two whole periods are used.
        wait_until(lambda: len(middle()) > 2 * self.limit and
                   most_in([came for _, came, _ in middle()], 2 * self.period) >=
                   0.97 * 2 * self.limit, "the quota is used")
        shares = [sum(f"list={i}" in entry[0] for entry in middle()) for i in range(4)]
        self.assertGreaterEqual(min(shares), sum(shares) / 4 / 2, shares)
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            self.assertEqual(self.end(process).status, 130)
        self.assert_limit_kept()

    def test_redis_killed_and_started_again_breaks_no_limit(self):
        servers = {"aof": RedisServer(self, persistent=True), "plain": RedisServer(self)}
        running = []
        for job, redis in servers.items():
            self.change(job, records=600)
            running += [(job, i, self.launch(f"{job}-{i}", self.url(job=job, list=i),
                                             *self.quota(redis))) for i in range(2)]
        for job, redis in servers.items():
            wait_until(lambda: len(self.log(job)) > 50, "there are requests")
            redis.kill()
            self.assertLess(len(self.log(job)), 120)
            self.assertTrue(redis.start())
        for job, i, process in running:
            with self.subTest(job=job, i=i):
                self.assert_complete(self.end(process))
                self.assertEqual(sorted(ids_of(self.output(f"{job}-{i}"))), list(range(600)))
                self.assert_limit_kept(job)

    def test_without_redis_it_waits_fails_or_keeps_to_its_share(self):
        self.change(records=100)
        for job in ("wait", "share"):
            self.change(job, records=100)
        redis = RedisServer(self)
        redis.kill()
        quota = self.quota(redis)
        waiting = self.launch("wait", self.url(job="wait"), *quota, "--quota-away", "wait")
        sharing = self.launch("share", self.url(job="share"), *quota, "--quota-away", "0.25")
        self.assert_one_line(self.run_it("fail", self.url(), *quota, "--quota-away", "fail"), 1,
                             "Redis is away")
        self.assertEqual(self.log(), [])
        self.assert_complete(self.end(sharing))
        self.assertLessEqual(most_in([came for _, came, _ in self.log("share")], self.period),
                             self.limit / 4)
        self.assertEqual((waiting.poll(), self.log("wait")), (None, []))
        self.assertTrue(redis.start())
        self.assert_complete(self.end(waiting))
        self.assert_limit_kept("wait")

    def test_what_cannot_be_is_refused(self):
        redis = RedisServer(self, password="right")
        for credentials in (":wrong@", ""):
            self.assert_one_line(
                self.run_it("a", self.url(), "--quota", redis.url("quota", credentials)), 1,
                "Redis")
        for url in ("127.0.0.1:6379/key", "http://127.0.0.1/key", "redis://127.0.0.1",
                    "redis://127.0.0.1/", "redis://127.0.0.1:65536/key", "redis://127.0.0.1/a{b}"):
            self.assert_one_line(self.run_it("a", self.url(), "--quota", url), 2, "--quota")
        for away in ("0", "1.5", "never", ""):
            self.assert_one_line(self.run_it("a", self.url(), *self.quota(redis), "--quota-away",
                                             away), 2, "--quota-away")
        self.assertEqual(self.log(), [])


class Work(SharedCase):
    def setUp(self):
        super().setUp()
        self.redis = RedisServer(self)

    def worker(self, name, *more, path="offset", job="1", rate=None, redis=None, **options):
        redis = redis or self.redis
        paginate = {"open": "offset", "clamp": "offset", "pages": "page"}.get(path, path)
        return self.launch(name, self.url(path, job), "--paginate", paginate, "--quota",
                           redis.url("quota"), "--work", redis.url(f"{path}-{job}"), *more,
                           rate=rate, **options)

    def assert_once(self, names, records=600):
        ids = ids_of(*map(self.output, names))
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(sorted(ids), list(range(records)))

    def counted(self, what, job="offset-1"):
        return self.redis.command("HGET", f"{{{job}}}:meta", what)

    def wait_for_records(self, names, records):
        def written():
            return sum(self.output(name).read_bytes().count(b"\n") for name in names
                       if self.output(name).exists())
        wait_until(lambda: written() >= records, "there are records")


class WorkerKilled(Work):
    limit, period = 120, 3.0

    def test_its_parts_are_taken_over_and_it_may_come_again(self):
        names = list("abcd")
        self.change(records=3000)
        processes = {name: self.worker(name) for name in names}
        self.wait_for_records(names, 300)
        wait_until(lambda: all(self.output(name).exists() for name in names), "all have begun")
        for name in "cd":
            processes[name].send_signal(signal.SIGKILL)
            processes[name].communicate()
        # What stands behind what is acknowledged is no record of the job.
        with open(self.output("c"), "ab") as output:
            output.write(b'{"id":0}\n{"id":')
        again = self.worker("d")
        results = [self.end(processes[name]) for name in "ab"] + [self.end(again)]
        self.assert_complete(*results)
        self.assert_once(names, 3000)
        self.assert_limit_kept()
        written = [result.stats["records_written"] for result in results]
        before = [result.stats["records_before"] for result in results]
        self.assertEqual(before[:2], [0, 0])
        self.assertEqual(sum(written) + before[2], 3000 - len(ids_of(self.output("c"))))
        for result in results:
            self.assertIn("3000 records in all outputs", result.stats["reason"])

        # Once more it is done at once.
        asked = len(self.log())
        texts = [self.output(name).read_bytes() for name in names]
        for name in names:
            result = self.end(self.worker(name))
            self.assert_complete(result)
            self.assertEqual(result.stats["records_written"], 0)
        self.assertEqual([self.output(name).read_bytes() for name in names], texts)
        self.assertEqual(len(self.log()), asked)

    def test_one_that_is_interrupted_gives_its_parts_back(self):
        first = self.worker("a")
        self.wait_for_records("a", 10)
        wait_until(lambda: len(self.log()) > 20, "it is in the middle")
        second = self.worker("b")
        first.send_signal(signal.SIGINT)
        result = self.end(first)
        self.assert_one_line(result, 130, "interrupted after")
        self.assertEqual(result.stats["outcome"], "cancelled")
        self.assert_complete(self.end(second))
        self.assert_once("ab")
        self.assertEqual(self.counted("taken_over"), "$-1\r\n")
        self.assert_limit_kept()


class WorkRedisKilled(Work):
    limit, period = 180, 3.0

    def test_with_persistence_it_goes_on(self):
        redis = RedisServer(self, persistent=True)
        self.change(records=1500)
        processes = [self.worker(name, redis=redis) for name in "ab"]
        self.wait_for_records("ab", 150)
        redis.kill()
        self.assertTrue(redis.start())
        self.assert_complete(*map(self.end, processes))
        self.assert_once("ab", 1500)
        self.assert_limit_kept()

    def test_without_the_job_is_lost(self):
        self.change(records=3000)
        processes = [self.worker(name) for name in "ab"]
        for name in "ab":
            self.wait_for_records(name, 10)
        self.redis.kill()
        self.assertTrue(self.redis.start())
        for process in processes:
            result = self.end(process)
            self.assert_one_line(result, 1, "Redis has lost")
            self.assertEqual(result.stats["outcome"], "work_failed")
        ids = ids_of(self.output("a"), self.output("b"))
        self.assertEqual(len(ids), len(set(ids)))
        # What they have written is not written over by a job that knows nothing of it.
        texts = [self.output(name).read_bytes() for name in "ab"]
        for name in "ab":
            self.assert_one_line(self.end(self.worker(name)), 2, str(self.output(name)),
                                 "is not empty")
        self.assertEqual([self.output(name).read_bytes() for name in "ab"], texts)

    def test_one_that_waits_for_redis_can_be_interrupted(self):
        self.redis.kill()
        process = self.worker("a")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.end(process).status, 130)


class WorkLists(Work):
    STYLES = ["offset", "page", "cursor", "next", "link", "keyset", "open", "pages", "clamp"]

    def test_every_style(self):
        for jobs in ([(style, 300) for style in self.STYLES[:5]],
                     [(style, 300) for style in self.STYLES[5:]],
                     [(style, records) for style in ("offset", "page", "cursor")
                      for records in (10, 0)]):
            running = []
            for style, records in jobs:
                job = f"{style}-{records}"
                self.change(job, records=records)
                running += [(job, records, self.worker(f"{name}-{job}", path=style, job=job))
                            for name in "ab"]
            for job, records, process in running:
                with self.subTest(job):
                    self.assert_complete(self.end(process))
            for style, records in jobs:
                with self.subTest(style=style, records=records):
                    self.assert_once([f"{name}-{style}-{records}" for name in "ab"], records)

    def test_one_process_has_many_requests_in_flight(self):
        self.change(delay=500)
        result = self.end(self.worker("a"))
        self.assert_complete(result)
        self.assert_once("a")
        self.assertGreaterEqual(most_in([came for _, came, _ in self.log()], 0.5), 8)

    def test_a_list_that_grows_and_a_server_that_fails_for_a_while(self):
        self.change("grow", grow=3)
        self.change("fail", fail=3)
        processes = [self.worker(name + job, "--retries", 0, job=job)
                     for job in ("grow", "fail") for name in "ab"]
        self.assert_complete(*map(self.end, processes))
        self.assert_once(["afail", "bfail"])
        ids = ids_of(self.output("agrow"), self.output("bgrow"))
        self.assertEqual(sorted(ids), list(range(len(ids))))
        self.assertGreaterEqual(len(ids), 600)

    def test_a_page_that_cannot_be_had(self):
        styles = ["offset", "page", "cursor"]
        command = ["--retries", 1, "--max-wait", "2s"]
        self.change(bad=255)
        running = {style: [self.worker(name + style, *command, path=style) for name in names]
                   for style, names in zip(styles, ("ab", "a", "a"))}
        for style in styles:
            with self.subTest(style):
                for process in running[style]:
                    result = self.end(process)
                    self.assert_one_line(result, 1, "status 500")
                    self.assertEqual(result.stats["outcome"], "page_failed")
                # A chain breaks there.
                rest = [] if style == "cursor" else range(260, 600)
                outputs = self.directory.glob(f"?{style}.ndjson")
                self.assertEqual(sorted(ids_of(*outputs)), [*range(250), *rest])
        # When it can be had again, the same command goes on, if it was not set aside.
        self.change(bad=-1)
        for style in styles:
            with self.subTest(style):
                result = self.end(self.worker("a" + style, *command, path=style))
                if "0" in self.redis.command("XLEN", f"{{{style}-1}}:dead"):
                    self.assert_complete(result)
                    outputs = self.directory.glob(f"?{style}.ndjson")
                    self.assertEqual(sorted(ids_of(*outputs)), list(range(600)))
                else:
                    self.assert_one_line(result, 1, "1 parts of the list could not be had")


class WorkRefused(Work):
    server = ("--delay", 100)

    def test_another_job_and_another_password(self):
        self.change(records=100)
        self.assert_complete(self.end(self.worker("a")))
        text = self.output("a").read_bytes()
        asked = len(self.log())
        quota = ["--quota", self.redis.url("quota")]
        work = [*quota, "--work", self.redis.url("offset-1")]
        self.assert_one_line(self.run_it("a", self.url(page=2), *work), 2, "--work offset-1",
                             "another job")
        secret = RedisServer(self, password="right")
        self.assert_one_line(
            self.run_it("b", self.url(), *quota, "--work", secret.url("work", ":wrong@")), 1,
            "--work work", "password")
        self.assert_one_line(self.run_it("b", self.url(), *quota, "--work",
                                         f"redis://127.0.0.1:{free_port()}/"), 2, "--work")
        for wrong, part in ((["--work", self.redis.url("work")], "--quota"),
                            ([*quota, "--work", self.redis.url("quota")], "same key"),
                            ([*work, "--output", "-"], "--output"),
                            ([*work, "--checkpoint", self.directory / "c"], "--checkpoint"),
                            ([*work, "--ordered"], "--ordered")):
            self.assert_one_line(self.run_it("b", self.url(), *wrong), 2, part)
        self.assertEqual(self.output("a").read_bytes(), text)
        self.assertEqual(len(self.log()), asked)

    def test_two_with_one_output(self):
        self.change(records=300)
        first = self.worker("a", rate="50/s")
        self.wait_for_records("a", 10)
        second = self.worker("b", "--output", self.output("a"))
        self.assert_one_line(self.end(second), 2, "is being written by another process")
        self.assert_complete(self.end(first))
        self.assert_once("a", 300)

    def test_an_output_of_something_else(self):
        self.output("a").write_text("kept\n")
        self.assert_one_line(self.end(self.worker("a")), 2, str(self.output("a")), "is not empty")
        self.assertEqual(self.output("a").read_text(), "kept\n")
        self.assert_one_line(self.end(self.worker("b", "--output", self.directory)), 2,
                             str(self.directory))

    def test_a_full_disk_and_an_output_that_is_removed(self):
        full = self.worker("a", rate="100/s", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (4000, 4000)))
        self.assert_one_line(self.end(full), 1, "cannot write to " + str(self.output("a")))
        removed = self.worker("b", rate="100/s")
        self.wait_for_records("b", 10)
        self.output("b").rename(self.output("moved"))
        result = self.end(removed)
        self.assert_one_line(result, 1, "was removed, replaced or changed")
        self.assertEqual(result.stats["outcome"], "write_failed")
        self.assert_complete(self.end(self.worker("c")))
        self.assert_once(["a", "moved", "c"])
        self.assertEqual(self.counted("taken_over"), "$-1\r\n")


if __name__ == "__main__":
    unittest.main()
