"""A list in every style of paging, for runs that are killed and go on. GET /log tells what it was
asked for a job and when, in the time of this machine; GET /set changes a list.

    /offset /page /cursor /next /link /keyset   with a total
    /clamp                                      by offset, without one; behind the end is the last page

Each job, a parameter of that name, has a list of its own.
"""
import argparse
import http.server
import json
import os
import pathlib
import random
import threading
import time
import urllib.parse


class Job:
    def __init__(self):
        self.log = []  # [what, when it came, status, when it was answered or null]
        self.settings = {"records": options.records, "refuse": 0, "text": 30}


jobs = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        came = time.monotonic()
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
        with lock:
            refused = job.settings["refuse"] > 0
            job.settings["refuse"] -= refused
            entry = [self.path, came, 429 if refused else 200, None]
            job.log.append(entry)
        if refused:
            return self.send({}, 429, {"Retry-After": "2"})
        time.sleep(random.uniform(0.2, 1.8) * options.delay)
        self.page(url.path[1:], job.settings["records"], "é" * job.settings["text"])
        entry[3] = time.monotonic()

    def page(self, style, records, text):
        size = int(self.query.get("limit", options.page_size))
        name = {"page": "page", "offset": "offset", "clamp": "offset"}.get(style, "cursor")
        begin = int(self.query.get(name, {"page": "1", "keyset": "-1"}.get(style, "0")))
        begin = (begin - 1) * size if style == "page" else begin + 1 if style == "keyset" else begin
        if style == "clamp" and begin >= records:
            begin = (records - 1) // size * size
        end = min(begin + size, records)
        body = {"results": [{"id": i, "text": f"record {i} {text}"} for i in range(begin, end)]}
        if style not in ("clamp", "keyset"):
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
arguments.add_argument("--records", type=int, default=1000)
arguments.add_argument("--page-size", type=int, default=10)
arguments.add_argument("--delay", type=float, default=0.02)
options = arguments.parse_args()
server = Server(("127.0.0.1", 0), Handler)
partial = options.port_file + ".part"
pathlib.Path(partial).write_text(str(server.server_port))
os.rename(partial, options.port_file)
server.serve_forever()
