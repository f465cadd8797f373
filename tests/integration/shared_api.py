"""A list in every style of paging behind a strict sliding window, for processes that share it.
GET /log tells what it was asked for a job and when, in the time of this machine; GET /set changes
how a job is answered.

    /offset /page /cursor /next /link /keyset   with a total
    /open /pages                                by offset and by page, without one
    /clamp                                      by offset, without one; behind the end is the last page

Each job, a parameter of that name, has a list and a window of its own. Settings:
    records, delay              of the list, and of each answer in milliseconds
    fail                        so many requests are answered with 503
    bad                         the record with this number cannot be had, nor its page: 500
    grow                        each request adds so many records, up to twice as many as there were
"""
import argparse
import collections
import http.server
import json
import os
import pathlib
import threading
import time
import urllib.parse


class Job:
    def __init__(self):
        self.log = []  # [what, when it came, status]
        self.accepted = collections.deque()
        self.most = 2 * options.records
        self.settings = {"records": options.records, "delay": options.delay, "fail": 0, "bad": -1,
                         "grow": 0}

    def status(self, came):
        """The strict server: never more than the limit in any period, ends not included."""
        while self.accepted and self.accepted[0] <= came - options.period:
            self.accepted.popleft()
        if len(self.accepted) >= options.limit:
            return 429
        self.accepted.append(came)
        if self.settings["grow"]:
            self.settings["records"] = min(self.settings["records"] + self.settings["grow"],
                                           self.most)
        failing = self.settings["fail"] > 0
        self.settings["fail"] -= failing
        return 503 if failing else 200


jobs = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        with lock:
            job = jobs.setdefault(self.query.get("job"), Job())
            if url.path == "/log":
                return self.send(job.log)
            if url.path == "/set":
                job.settings.update({name: int(value) for name, value in self.query.items()
                                     if name != "job"})
                return self.send({})
            came = time.monotonic()
            status = job.status(came)
            settings = dict(job.settings)
            entry = [self.path, came, status]
            job.log.append(entry)
        if status != 429:
            time.sleep(settings["delay"] / 1000)
        if status == 200 and not self.page(url.path[1:], settings):
            entry[2] = status = 500
        if status != 200:
            self.send({}, status)

    def page(self, style, settings):
        """Sends it, unless it cannot be had."""
        records = settings["records"]
        size = int(self.query.get("limit", options.page_size))
        by_page = style in ("page", "pages")
        name = "page" if by_page else "offset" if style in ("offset", "open", "clamp") else "cursor"
        begin = int(self.query.get(name, "1" if by_page else "-1" if style == "keyset" else "0"))
        begin = (begin - 1) * size if by_page else begin + 1 if style == "keyset" else begin
        if style == "clamp" and begin >= records:
            begin = (records - 1) // size * size
        end = max(begin, min(begin + size, records))
        if begin <= settings["bad"] < end:
            return False
        body = {"results": [{"id": i, "text": f"record {i}"} for i in range(begin, end)]}
        if style not in ("open", "pages", "clamp", "keyset"):
            body["count"] = records
        query = {key: value for key, value in self.query.items() if key != "cursor"}
        next_url = f"http://{self.headers['Host']}/{style}?" + urllib.parse.urlencode(
            query | {"cursor": end})
        headers = {}
        if style == "cursor":
            body["next"] = str(end) if end < records else None
        elif style == "next":
            body["next"] = next_url if end < records else None
        elif style == "link" and end < records:
            headers["Link"] = f'<{next_url}>; rel="next"'
        self.send(body, 200, headers)
        return True

    def send(self, body, status=200, headers=None):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1000

    def handle_error(self, *_):
        pass  # clients that go are part of the tests


arguments = argparse.ArgumentParser()
arguments.add_argument("--port-file", required=True)
arguments.add_argument("--records", type=int, default=600)
arguments.add_argument("--page-size", type=int, default=10)
arguments.add_argument("--limit", type=int, default=1000)
arguments.add_argument("--period", type=float, default=1.0)
arguments.add_argument("--delay", type=int, default=20)
options = arguments.parse_args()
server = Server(("127.0.0.1", 0), Handler)
partial = options.port_file + ".part"
pathlib.Path(partial).write_text(str(server.server_port))
os.rename(partial, options.port_file)
server.serve_forever()
