#!/usr/bin/env python3
"""Builds one of the examples to copy against an installed headgate, as its reader would, and runs it
against the API that its first lines describe. That API is here, on loopback, and judges what comes:
how many requests, with which header fields, and whether the limit was kept."""

import argparse
import http.server
import json
import os
from pathlib import Path
import random
import shlex
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.parse
import urllib.request

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
# What projects like to turn on, and what shows that the compiler got the coroutines right.
FLAGS = ["-O0", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror",
         "-fsanitize=address"]


class Request:
    def __init__(self, arrived, method, target, headers, body):
        url = urllib.parse.urlparse(target)
        self.arrived = arrived
        self.method = method
        self.path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.headers = headers
        self.body = body


class Api:
    """An API on loopback. `answer` makes of a Request a status, what goes into the body as JSON,
    and header fields; the requests that came are in `seen`."""

    def __init__(self, answer):
        self.seen = seen = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                arrived = time.monotonic()
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                request = Request(arrived, self.command, self.path, self.headers, body)
                with api.lock:
                    seen.append(request)
                    status, content, fields = answer(request)
                data = json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **fields}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 100

        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # clients may go when they have what they want
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def queries(self, name):
        return [request.query.get(name) for request in self.seen]

    def headers(self, name):
        return {request.headers.get(name) for request in self.seen}


class Redis:
    """A redis-server on loopback, in a directory of its own, that can be killed and started again."""

    def __init__(self, directory, *options):
        self.directory, self.options = directory, options
        directory.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--dir", str(self.directory), *self.options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, "redis-server does not start"
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
                return
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "redis-server does not listen"
                time.sleep(0.01)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Lateness:
    """How late this process was at most. On a machine with much to do a request may be seen later
    than it came, for which nobody is to blame."""

    def __init__(self):
        self.most = 0.0
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            before = time.monotonic()
            time.sleep(0.005)
            self.most = max(self.most, time.monotonic() - before - 0.005)


def most_in(seconds, requests):
    """The most requests that came in any time of that length."""
    times = sorted(request.arrived for request in requests)
    return max(sum(begin <= t < begin + seconds for t in times) for begin in times)


class Examples:
    def __init__(self, options):
        self.options = options
        self.work = Path(options.work) / options.name
        self.program = self.work / options.name
        self.late = Lateness()

    def run(self, *command):
        print("+", shlex.join(map(str, command)), flush=True)
        subprocess.run([str(part) for part in command], check=True)

    def build(self):
        options = self.options
        shutil.rmtree(self.work, ignore_errors=True)
        more = [f"-Dasio_INCLUDE_DIR={options.asio}"] if options.asio else []
        self.run(options.cmake, "-S", EXAMPLES / options.name, "-B", self.work, "-G",
                 options.generator, f"-DCMAKE_CXX_COMPILER={options.compiler}",
                 "-DCMAKE_BUILD_TYPE=", f"-DCMAKE_CXX_FLAGS={' '.join(FLAGS)}",
                 f"-DCMAKE_PREFIX_PATH={options.prefix}", *more)
        # One job, for the suite runs several tests at a time.
        self.run(options.cmake, "--build", self.work, "--parallel", "1")

    def start(self, *arguments, status=0, says="", stdin="", **environment):
        """Runs the program, which must end with that status and say that on standard error. Returns
        what it writes to standard output, line by line."""
        inherited = {name: value for name, value in os.environ.items()
                     if not name.lower().endswith("_proxy")}
        command = [str(self.program), *map(str, arguments)]
        print("+", shlex.join(command), flush=True)
        begin = time.monotonic()
        done = subprocess.run(command, text=True, input=stdin, capture_output=True, timeout=120,
                              env={**inherited, **environment})
        print(f"{done.stderr}ended with {done.returncode} after {time.monotonic() - begin:.2f} s, "
              f"{done.stdout.count(chr(10))} lines", flush=True)
        assert done.returncode == status, f"the status is {done.returncode}, not {status}"
        assert says in done.stderr, f"it does not say {says!r}"
        assert "Sanitizer" not in done.stderr
        return done.stdout.splitlines()

    def start_beside(self, *arguments):
        """Starts the program and goes on; what it says can be read, and has to be."""
        command = [str(self.program), *map(str, arguments)]
        print("+", shlex.join(command), "&", flush=True)
        return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def bad_usage(self, *arguments, says=None, **environment):
        lines = self.start(*arguments, status=2, says=says or "usage: ", **environment)
        assert lines == []

    def keeps(self, count, seconds, requests):
        most = most_in(max(seconds - self.late.most, seconds / 2), requests)
        print(f"at most {most} in {seconds} s, this process late by {self.late.most * 1000:.0f} ms")
        assert most <= count, f"{most} requests in {seconds} s, not {count}"

    def paces(self, interval, requests):
        """Requests that are evenly spaced by so many seconds, but for what they vary on the way."""
        times = [request.arrived for request in requests]
        took, due = max(times) - min(times), (len(times) - 1.5) * interval - self.late.most
        print(f"{len(times)} requests in {took:.2f} s")
        assert took >= due, f"{len(times)} requests in {took:.2f} s, not {due:.2f}"

    # The examples.

    def limiter_in_a_service(self):
        def answer(request):
            item = request.path.rpartition("/")[2]
            if item == "7":
                return 500, "oops", {}
            return 200, f"item {item}", {}

        api = Api(answer)
        jobs = "".join(f"{i}\n" for i in range(101, 113))
        lines = self.start(f"{api.url}/items/", 5, 1, stdin=jobs)
        assert sorted(lines) == [f'{i}: "item {i}"' for i in range(101, 113)], lines
        assert len(api.seen) == 12
        assert all(request.path.startswith("/items/1") for request in api.seen)
        self.keeps(5, 1, api.seen)

        lines = self.start(f"{api.url}/items/", 5, 1, stdin="6\n7\n8\n", status=1,
                           says="limiter_in_a_service: 7: the API says HTTP/1.1 500")
        assert sorted(lines) == ['6: "item 6"', '8: "item 8"'], lines
        self.start("http://127.0.0.1:1/", 5, 1, stdin="6\n", status=1, says=": 6: ")
        self.bad_usage(api.url, 5)
        self.bad_usage(api.url, "5x", 1)
        self.bad_usage("nowhere", 5, 1)

    def many_apis(self):
        def answer(request):
            return 404 if request.path == "/nothing" else 200, "x" * 98, {}

        one, two = Api(answer), Api(answer)
        urls = [f"{one.url}/{i}" for i in range(7)] + [f"{two.url}/{i}" for i in range(4)]
        lines = self.start(4, 6, *urls)
        assert sorted(lines) == sorted(f"{url}: 100 bytes" for url in urls), lines
        assert (len(one.seen), len(two.seen)) == (7, 4)
        self.keeps(4, 1, one.seen)
        self.keeps(4, 1, two.seen)
        self.keeps(6, 1, one.seen + two.seen)

        # An API that says "too many" holds up only itself.
        def refuse_once(request):
            if len(strict.seen) == 1:
                return 429, "slow down", {"Retry-After": "3"}
            return answer(request)

        strict, other = Api(refuse_once), Api(answer)
        self.start(1, 3, *[f"{api.url}/{i}" for i in range(2) for api in (strict, other)])
        assert (len(strict.seen), len(other.seen)) == (3, 2)
        assert strict.seen[1].arrived - strict.seen[0].arrived > 2.9
        assert other.seen[1].arrived < strict.seen[1].arrived

        self.start(4, 6, f"{one.url}/nothing", status=1, says="/nothing: status 404")
        self.bad_usage(4, 6)
        self.bad_usage(0, 6, one.url)
        self.bad_usage(4, 6, "ftp://127.0.0.1/", says="many_apis: ")

    def cursor_pages(self):
        def answer(request):
            if request.path == "/broken":
                return 500, "oops", {}
            begin = int(request.query.get("cursor", "at 0").removeprefix("at "))
            end = begin + int(request.query["limit"])
            last = 250 if request.path == "/cut" else 350
            rows = [{"id": i, "name": f"order {i}"} for i in range(begin, min(end, last))]
            meta = {"next_cursor": f"at {end}", "has_more": end < last, "total": 350}
            return 200, {"data": rows, "meta": meta}, {}

        api = Api(answer)
        lines = self.start(f"{api.url}/orders", says="complete: ", API_TOKEN="s3cret")
        assert [json.loads(line)["id"] for line in lines] == list(range(350))
        assert api.queries("cursor") == [None, "at 100", "at 200", "at 300"]
        assert set(api.queries("limit")) == {"100"}
        assert api.headers("Authorization") == {"Bearer s3cret"}
        assert api.headers("User-Agent") == {"cursor_pages/1.0"}
        self.paces(0.6, api.seen)

        lines = self.start(f"{api.url}/cut", status=1, says="cursor_pages: count_mismatch: ")
        assert len(lines) == 250
        api.seen.clear()
        lines = self.start(f"{api.url}/broken", status=3, says="cursor_pages: page_failed: ")
        assert lines == []
        assert len(api.seen) == 4  # the first and three more
        assert api.headers("Authorization") == {None}
        self.bad_usage()
        self.bad_usage("ftp://127.0.0.1/", says="cursor_pages: ")

    def github_link(self):
        reset = []

        def answer(request):
            page = int(request.query.get("page", "1"))
            if request.headers["Authorization"] != "Bearer s3cret":
                return 401, {"message": "Bad credentials"}, {}
            limit = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": str(3000 - page)}
            if request.path == "/foreign":
                return 200, [{"number": 1, "title": "x"}], {
                    **limit, "Link": f'<{stranger.url}/foreign?page=2>; rel="next"'}
            if page == 2:
                reset.append(int(time.time()) + 3)
                limit["X-RateLimit-Remaining"] = "0"
                limit["X-RateLimit-Reset"] = str(reset[-1])
            rows = [{"number": i, "title": f"issue {i}"}
                    for i in range(page * 100 - 99, min(page * 100, 230) + 1)]
            if page < 3:
                limit["Link"] = (f'<{api.url}/issues?state=all&per_page=100&page=1>; rel="first", '
                                 f'<{api.url}/issues?state=all&per_page=100&page={page + 1}>; '
                                 'rel="next"')
            return 200, rows, limit

        api = Api(answer)
        stranger = Api(lambda request: (200, [], {}))
        lines = self.start(f"{api.url}/issues?state=all", says="2997 requests left of 5000",
                           GITHUB_TOKEN="s3cret")
        assert lines == [f"#{i} issue {i}" for i in range(1, 231)]
        assert api.queries("page") == [None, "2", "3"]
        assert set(api.queries("per_page")) == {"100"} and set(api.queries("state")) == {"all"}
        assert api.headers("Accept") == {"application/vnd.github+json"}
        assert api.headers("X-GitHub-Api-Version") == {"2022-11-28"}
        assert api.headers("User-Agent") == {"github_link/1.0"}
        arrived = time.time() - (time.monotonic() - api.seen[2].arrived)
        assert arrived > reset[0] - 0.1, "the third page came before the reset"
        self.paces(0.72, api.seen)

        self.start(f"{api.url}/foreign", status=1, says="github_link: foreign_origin: ",
                   GITHUB_TOKEN="s3cret")
        assert stranger.seen == [], "it goes where a Link header leads it"
        self.start(f"{api.url}/issues", status=1, says="github_link: page_failed: ",
                   GITHUB_TOKEN="wrong")
        self.bad_usage(GITHUB_TOKEN="s3cret")
        self.bad_usage(f"{api.url}/issues", says="GITHUB_TOKEN is not set", GITHUB_TOKEN="")

    def post_search(self):
        hits = [{"id": i, "state": "open"} for i in range(250)]

        def answer(request):
            body = json.loads(request.body)
            if body["query"] == "(":
                return 400, {"error": "unbalanced"}, {}
            begin = int(body["page"].get("after", "0"))
            if body["query"] == "slip" and begin == 100 and len(api.seen) == 2:
                return 503, "not now", {}
            end = begin + body["page"]["size"]
            return 200, {"hits": hits[begin:end], "next": str(end) if end < 250 else None}, {}

        api = Api(answer)
        for query in ["status:open", "slip"]:
            api.seen.clear()
            lines = self.start(f"{api.url}/search", query, says="complete: ", SEARCH_KEY="s3cret")
            assert [json.loads(line) for line in lines] == hits
            bodies = [json.loads(request.body) for request in api.seen]
            assert {body["query"] for body in bodies} == {query}
            assert {body["page"]["size"] for body in bodies} == {100}
            # What failed was sent again, which is not done to a POST unless the caller says so.
            again = ["100"] if query == "slip" else []
            assert [body["page"].get("after") for body in bodies] == [None, "100", *again, "200"]
            assert {request.method for request in api.seen} == {"POST"}
            assert api.headers("Content-Type") == {"application/json"}
            assert api.headers("X-Api-Key") == {"s3cret"}
            self.paces(0.6, api.seen)

        lines = self.start(f"{api.url}/search", "(", status=1, says="post_search: page_failed: ",
                           SEARCH_KEY="s3cret")
        assert lines == []
        self.bad_usage(api.url)
        self.bad_usage(api.url, "x", says="SEARCH_KEY is not set", SEARCH_KEY="")

    def own_page_type(self):
        def answer(request):
            shard = int(request.query.get("shard", "0"))
            assert request.query.get("after", "") == ("" if shard == 0 else f"k {shard}")
            body = {"count": 230, "readings": [{"station": f"s{i % 3}", "celsius": i % 3 + shard}
                                               for i in range(30 if shard == 2 else 100)]}
            if request.path == "/other" and shard == 1:
                del body["readings"][5]["celsius"]
            if shard < (1 if request.path == "/cut" else 2):
                body["more"] = {"shard": shard + 1, "after": f"k {shard + 1}"}
            return 200, body, {}

        api = Api(answer)
        lines = self.start(f"{api.url}/readings", says="complete: ")
        expected = []
        for station in range(3):
            values = [i % 3 + shard for shard in range(3)
                      for i in range(30 if shard == 2 else 100) if i % 3 == station]
            expected.append(f"s{station}: {len(values)} readings, "
                            f"mean {sum(values) / len(values):.6g}")
        assert lines == expected, lines
        assert api.queries("shard") == [None, "1", "2"]
        self.paces(0.6, api.seen)

        lines = self.start(f"{api.url}/cut", status=1, says="own_page_type: count_mismatch: ")
        assert lines == [], "a part of the list has no mean"
        self.start(f"{api.url}/other", status=1, says="key 'celsius' not found")
        self.bad_usage()
        self.bad_usage("ftp://127.0.0.1/", says="own_page_type: ")

    def sqlite_sink(self):
        def answer(request):
            begin = int(request.query["offset"])
            if request.path == "/refused" and begin == 300:
                return 403, {"detail": "no"}, {}
            rows = [{"id": i, "name": f"it's {i}", "x": [i]}
                    for i in range(begin, min(begin + int(request.query["limit"]), 450))]
            if request.path == "/odd" and begin == 200:
                del rows[50]["name"]
            return 200, {"results": rows, "count": 450}, {}

        def rows(file):
            database = sqlite3.connect(file)
            found = database.execute("SELECT id, name, json FROM items ORDER BY id").fetchall()
            database.close()
            return found

        api = Api(answer)
        file = self.work / "items.db"
        for _ in range(2):  # the second time over what is there
            api.seen.clear()
            self.start(f"{api.url}/items", file, says="450 records, complete: ")
            found = rows(file)
            assert [(number, name) for number, name, _ in found] == [
                (i, f"it's {i}") for i in range(450)]
            assert all(json.loads(text)["x"] == [number] for number, _, text in found)
            offsets = sorted(map(int, api.queries("offset")))
            # It may look once behind the end.
            assert offsets[:5] == [0, 100, 200, 300, 400] and set(offsets[5:]) <= {450}, offsets
            self.paces(0.6, api.seen)

        for path, says in [("refused", "page_failed: "), ("odd", "key 'name' not found")]:
            file = self.work / f"{path}.db"
            self.start(f"{api.url}/{path}", file, status=1, says=says)
            found = [number for number, _, _ in rows(file)]
            pages = {number // 100 for number in found}
            whole = sum(50 if page == 4 else 100 for page in pages)
            assert len(found) == whole, "a page is there in part"
            assert (3 if path == "refused" else 2) not in pages

        self.start(f"{api.url}/items", self.work / "nowhere/items.db", status=1,
                   says="SQLite: unable to open database file")
        self.bad_usage(api.url)
        self.bad_usage("ftp://127.0.0.1/", file, says="sqlite_sink: ")

    def resume(self):
        count = 3000

        def answer(request):
            begin = int(request.query["offset"])
            if request.path == "/refused" and begin == 300:
                return 403, {"detail": "no"}, {}
            rows = [{"id": i, "text": f"line\nbreak {i}"} for i in range(begin, begin + 100)]
            return 200, {"results": rows[:max(count - begin, 0)], "count": count}, {}

        api = Api(answer)
        file, checkpoint = self.work / "items.ndjson", self.work / "items.ndjson.checkpoint"
        chance = random.Random(11)
        wholes = []  # how much of the output each life leaves
        for life in range(8):
            before = len(api.seen)
            program = subprocess.Popen([self.program, f"{api.url}/items", file], text=True,
                                       stderr=subprocess.PIPE)
            try:
                enough = before + chance.randrange(1, 6)
                deadline = time.monotonic() + 60
                while len(api.seen) < enough:
                    assert program.poll() is None and time.monotonic() < deadline
                    time.sleep(0.001)
                if life == 2:
                    self.start(f"{api.url}/items", file, status=1, says="is in use: ")
                time.sleep(chance.random() * 0.02)  # somewhere in what it does with a page
            finally:
                program.kill()
            said = program.communicate()[1]
            assert said == ("resume: begins\n" if life == 0 else "resume: goes on\n"), said
            wholes.append(file.stat().st_size)
        print(f"killed with {wholes} bytes of output and {len(api.seen)} requests")
        assert wholes[-1] > wholes[0], "it does not come any further"

        # What would spoil the output is refused, and nothing is lost by that.
        kept = file.read_bytes()
        self.start(f"{api.url}/others", file, status=1, says="is of another job: of http")
        assert file.read_bytes() == kept
        file.write_bytes(b"")
        self.start(f"{api.url}/items", file, status=1, says="is shorter than its checkpoint says")
        file.write_bytes(kept)

        self.start(f"{api.url}/items", file, says="resume: complete: ")
        found = [json.loads(line) for line in file.read_text().splitlines()]
        assert sorted(row["id"] for row in found) == list(range(count)), "not each of them once"
        assert all(row["text"] == f"line\nbreak {row['id']}" for row in found)
        assert not [path for path in self.work.iterdir() if path.name.startswith(checkpoint.name)]
        self.paces(0.25, api.seen)
        gaps = [b.arrived - a.arrived for a, b in zip(api.seen, api.seen[1:])]
        assert min(gaps) > 0.25 - 0.1 - self.late.most, min(gaps)

        refused = self.work / "refused.ndjson"
        self.start(f"{api.url}/refused", refused, status=1, says="resume: page_failed: ")
        assert (self.work / "refused.ndjson.checkpoint").exists(), "there is nothing to go on from"
        self.start(f"{api.url}/items", self.work / "nowhere/items", status=1,
                   says="cannot be made: No such file or directory")
        self.bad_usage(api.url)
        self.bad_usage("ftp://127.0.0.1/", refused, says="resume: ")

    def shared_quota(self):
        records = {"items": 1300, "users": 1200, "orders": 400}

        def answer(request):
            begin = int(request.query["offset"])
            count = records[request.path.strip("/")]
            rows = [{"id": i} for i in range(begin, min(begin + 100, count))]
            return 200, {"results": rows, "count": count}, {}

        api = Api(answer)
        # It keeps nothing: the limit has to hold, too, when Redis has forgotten all.
        with Redis(self.work / "redis") as kept:
            quota = f"{kept.url}/example/api"
            started = {name: self.start_beside(quota, 10, 1, f"{api.url}/{name}")
                       for name in records}
            try:
                deadline = time.monotonic() + 60
                while len(api.seen) < 8:
                    assert time.monotonic() < deadline
                    assert all(each.poll() is None for each in started.values())
                    time.sleep(0.001)
                kept.kill()
                kept.start()
                ended = {name: (*each.communicate(timeout=60), each.returncode)
                         for name, each in started.items()}
            finally:
                for each in started.values():
                    each.kill()
        for name, (lines, said, status) in ended.items():
            print(said, end="", flush=True)
            assert status == 0 and "shared_quota: complete: " in said, (name, status)
            found = sorted(json.loads(line)["id"] for line in lines.splitlines())
            assert found == list(range(records[name])), f"not all of {name} once"
        self.keeps(10, 1, api.seen)
        self.paces(0.1, api.seen)

        with Redis(self.work / "locked", "--requirepass", "s3cret") as locked:
            self.start(f"{locked.url}/key", 10, 1, f"{api.url}/orders", status=1,
                       says="Redis refused the user or password")
            lines = self.start(locked.url.replace("//", "//:s3cret@") + "/key", 100, 1,
                               f"{api.url}/orders", says="complete: ")
            assert len(lines) == 400
        self.bad_usage("redis://127.0.0.1/key", 10, 1)
        self.bad_usage("redis://127.0.0.1/key", "10x", 1, api.url)
        self.bad_usage("redis://127.0.0.1", 10, 1, api.url, says="there is no key")
        self.bad_usage("http://127.0.0.1/key", 10, 1, api.url, says="must be redis or rediss")

    def shared_work(self):
        files = {}
        for i in range(300):
            path = self.work / f"file {i}.txt"
            path.write_text("line\n" * (i % 7))
            files[str(path)] = i % 7
        with Redis(self.work / "redis", "--appendonly", "yes") as kept:
            job = f"{kept.url}/lines"
            workers = [self.start_beside(job, "do") for _ in range(3)]
            try:
                self.start(job, "put", stdin="".join(f"{path}\n" for path in files))
                for _ in range(5):
                    assert workers[0].stderr.readline().startswith("shared_work: /")
                workers[0].kill()
                kept.kill()
                kept.start()
                said = [each.communicate(timeout=120)[1] for each in workers]
                print([len(text.splitlines()) for text in said], "files each", flush=True)
                assert [each.returncode for each in workers[1:]] == [0, 0], said
                for text in said[1:]:
                    assert text.count("shared_work: /") >= 20, "it did not do its share"
            finally:
                for each in workers:
                    each.kill()
            lines = self.start(job, "get")
            found = dict(reversed(line.split(" ", 1)) for line in lines)
            assert len(lines) == len(files)
            assert found == {path: str(count) for path, count in files.items()}
            self.start(job, "put", stdin="one more\n", status=1, says="closed")

            other = f"{kept.url}/other"
            self.start(other, "put", stdin=f"{self.work}/nowhere\n{next(iter(files))}\n")
            self.start(other, "do")
            lines = self.start(other, "get", status=1, says="/nowhere: cannot be read")
            assert len(lines) == 1
        self.bad_usage(job)
        self.bad_usage(job, "undo")
        self.bad_usage("redis://127.0.0.1", "do", says="there is no key")

    def prometheus_metrics(self):
        def values(lines):
            return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        scraped = []

        def answer(request):
            begin = int(request.query["offset"])
            if request.path == "/refused":
                return 403, {"detail": "no"}, {}
            if begin == 100 and request.path == "/items" and api.queries("offset").count("100") == 1:
                return 429, {"detail": "slow down"}, {"Retry-After": "1"}
            if begin == 300 and not scraped:
                with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
                    assert page.headers["Content-Type"].startswith("text/plain"), page.headers
                    scraped.append(page.read().decode().splitlines())
            rows = [{"id": i} for i in range(begin, min(begin + 100, 350))]
            return 200, {"results": rows, "count": 350}, {}

        api = Api(answer)
        lines = self.start(f"{api.url}/items", address, says="complete: ")
        while_it_ran, at_the_end = values(scraped[0]), values(lines)
        assert float(while_it_ran["extract_in_flight"]) >= 1, while_it_ran
        assert float(while_it_ran["extract_records_total"]) >= 100, while_it_ran
        requests = len(api.seen)
        for name, value in [("requests_total", requests), ("retries_total", 1), ("pages_total", 4),
                            ("records_total", 350), ("in_flight", 0), ("complete", 1),
                            ("answers_total{status=\"200\"}", requests - 1),
                            ("answers_total{status=\"429\"}", 1),
                            ("latency_seconds_count", requests)]:
            assert at_the_end[f"extract_{name}"] == str(value), (name, at_the_end)
        assert 0.9 < float(at_the_end["extract_paused_seconds_total"]) <= 1, at_the_end
        assert 1.6 < float(at_the_end["extract_limit_per_second"]) < 1.7, at_the_end
        assert float(at_the_end["extract_body_bytes_total"]) > 3000, at_the_end
        assert "# TYPE extract_latency_seconds histogram" in lines

        lines = self.start(f"{api.url}/refused", address, status=1, says="page_failed: ")
        assert values(lines)["extract_complete"] == "0", lines
        self.start(f"{api.url}/items", "127.0.0.1:nonsense", status=1, says="prometheus_metrics: ")
        self.bad_usage(api.url)
        self.bad_usage("ftp://127.0.0.1/", address, says="prometheus_metrics: ")

    def callbacks_and_futures(self):
        def answer(request):
            if request.path == "/broken":
                return 500, "oops", {}
            begin = int(request.query.get("offset", "0"))
            rows = [{"id": i} for i in range(begin, min(begin + 100, 250))]
            if request.path == "/refused" and begin == 100:
                return 403, {"detail": "no"}, {}
            return 200, {"results": rows, "count": 250}, {}

        api = Api(answer)
        for way in ["callbacks", "futures"]:
            api.seen.clear()
            lines = self.start(way, f"{api.url}/items", says="complete: ")
            assert lines == ["250 records"], lines
            # The single request, and then the pages.
            assert api.queries("offset")[0] is None
            offsets = sorted(map(int, api.queries("offset")[1:]))
            assert offsets[:3] == [0, 100, 200] and set(offsets[3:]) <= {250}, offsets
            self.paces(0.6, api.seen)

            self.start(way, f"{api.url}/broken", status=1, says="the API answers with status 500")
            self.start(way, f"{api.url}/refused", status=1, says="page_failed: ")
            self.start(way, "http://127.0.0.1:1/", status=1, says="callbacks_and_futures: ")
        self.bad_usage("callbacks")
        self.bad_usage("coroutines", api.url)
        self.bad_usage("futures", "ftp://127.0.0.1/", says="callbacks_and_futures: ")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[path.parent.name for path in EXAMPLES.glob("*/main.cpp")])
    parser.add_argument("--prefix", required=True, help="where headgate is installed")
    parser.add_argument("--work", required=True, help="a directory for what is built")
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--generator", default="Ninja")
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--asio", default="", help="where asio.hpp is, if not in /usr/include")
    options = parser.parse_args()
    examples = Examples(options)
    examples.build()
    getattr(examples, options.name)()


if __name__ == "__main__":
    main()
