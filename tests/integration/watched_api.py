"""An API for runs that are looked at.

    /list   by offset, with delays, a few 503, and one burst of 429 that asks for a second
    /slow   the same, without failures and with delays of half a second
    /evil   by next URL, which is HTML
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

RECORDS = 400
EVIL = "</script><script>document.title='stolen'</script><img src=x onerror=alert(1)>\u2028&amp;\"'"
lock = threading.Lock()
requests = 0
refuse_until = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def send(self, status, body, **headers):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/evil":
            return self.send(200, {"results": [{"id": 0}], "next": "http://other.test/" + EVIL})
        refusal = self.refusal() if url.path == "/list" else None
        if refusal:
            return self.send(refusal[0], {}, **refusal[1])
        time.sleep(0.5 if url.path == "/slow" else random.choice([0.03, 0.06, 0.1, 0.15, 0.4]))
        begin = int(query.get("offset", "0"))
        rows = [{"id": i, "text": "x" * 200} for i in range(begin, min(begin + 2, RECORDS))]
        self.send(200, {"count": RECORDS, "results": rows})

    @staticmethod
    def refusal():
        """The status and the header fields of one, or nothing."""
        global requests, refuse_until
        with lock:
            requests += 1
            now = time.monotonic()
            if requests == 60:
                refuse_until = now + 0.2
            if now < refuse_until:
                return 429, {"Retry_After": "1"}
            return (503, {}) if requests % 40 == 39 else None


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1000

    def handle_error(self, *_):
        pass  # clients that go are part of the tests


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port-file", required=True)
    options = arguments.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    partial = options.port_file + ".part"
    pathlib.Path(partial).write_text(str(server.server_port))
    os.rename(partial, options.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
