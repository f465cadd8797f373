"""A list behind a proxy: answers after a delay, as many at a time as ask. GET /seen tells when."""
import argparse
import http.server
import json
import os
import pathlib
import random
import threading
import time
import urllib.parse

seen = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        if url.path == "/seen":
            return self.send(seen)
        seen.append(time.monotonic())
        time.sleep(options.delay * random.uniform(0.7, 1.3))
        query = dict(urllib.parse.parse_qsl(url.query))
        begin = int(query.get("offset", "0"))
        self.send({"count": options.records, "results": [{"id": begin}] if begin < options.records else []})

    def send(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
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
arguments.add_argument("--delay", type=float, default=0)
arguments.add_argument("--records", type=int, required=True)
options = arguments.parse_args()
server = Server(("127.0.0.1", 0), Handler)
partial = options.port_file + ".part"
pathlib.Path(partial).write_text(str(server.server_port))
os.rename(partial, options.port_file)
threading.Thread(target=server.serve_forever).run()
