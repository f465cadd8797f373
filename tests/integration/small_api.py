"""An API with many bad habits, one for each path. GET /seen tells what it was asked."""
import argparse
import http.server
import json
import os
import pathlib
import threading
import urllib.parse

RECORDS = 250
seen = []
never = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def page(self, *, largest=100, total=RECORDS, short=None):
        begin = int(self.query.get("offset", "0"))
        count = min(int(self.query.get("limit", "50")), largest)
        if short == begin:
            count //= 2
        rows = [{"id": i, "name": f"record {i}", "text": "é" * 50}
                for i in range(begin, min(RECORDS, begin + count))]
        return {"results": rows} if total is None else {"count": total, "results": rows}

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        seen.append([self.path, dict(self.headers)])
        offset = int(self.query.get("offset", "0"))
        path = url.path
        later = path.startswith("/later-") and offset < 100
        if path == "/seen":
            self.send(200, seen[:-1])
        elif later or path == "/good":
            self.send(200, self.page())
        elif path == "/clamped":
            self.send(200, self.page(largest=30))
        elif path == "/short":
            self.send(200, self.page(short=100))
        elif path == "/no-total":
            self.send(200, self.page(total=None))
        elif path == "/wrong-total":
            self.send(200, self.page(total=1000))
        elif path == "/empty":
            self.send(200, {"count": 0, "results": []})
        elif path.endswith("404"):
            self.send(404, {"detail": "Not found."})
        elif path.endswith("403"):
            self.send(403, {"detail": "Forbidden."})
        elif path.endswith("500"):
            self.send(500, b"oops")
        elif path.endswith("html"):
            self.send(200, b"<html>Please log in</html>")
        elif path.endswith("text"):
            self.send(200, b'"results"')
        elif path.endswith("no-results"):
            self.send(200, {"count": 3, "items": [1, 2, 3]})
        elif path.endswith("no-array"):
            self.send(200, {"results": {"a": 1}})
        elif path.endswith("redirect"):
            self.send(302, b"", Location="http://127.0.0.1:1/elsewhere")
        elif path.endswith("cut"):
            self.send_response(200)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(json.dumps(self.page()).encode()[:300])
            self.close_connection = True
        elif path.endswith("large"):
            self.send(200, b" " * 3_000_000)
        elif path.endswith("hang"):
            never.wait()


arguments = argparse.ArgumentParser()
arguments.add_argument("--port-file", required=True)
options = arguments.parse_args()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
server.handle_error = lambda *_: None  # clients that go are part of the tests
partial = options.port_file + ".part"
pathlib.Path(partial).write_text(str(server.server_port))
os.rename(partial, options.port_file)
server.serve_forever()
