"""`extract` uses all of what real servers allow, and none of them ever refuses it."""
import json
import pathlib
import socket
import subprocess
import time
import unittest
import urllib.request

from support import Case, start_server, stop

WINDOWS = 10


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Limits(Case):
    def backend(self, records, delay):
        return start_server(self, "slow_api.py", "--records", records, "--delay", delay)

    def proxy(self, command, port):
        process = subprocess.Popen([str(part) for part in command], cwd=self.directory)
        self.addCleanup(stop, process)
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}/list"
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start")
            time.sleep(0.02)

    def nginx(self, backend, rate, burst=""):
        port = free_port()
        config = self.directory / "nginx.conf"
        config.write_text(f"""
            daemon off; master_process off; pid nginx.pid; error_log stderr crit;
            events {{ worker_connections 1024; }}
            http {{
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                limit_req_zone $server_name zone=all:1m rate={rate};
                limit_req_status 429;
                server {{
                    listen 127.0.0.1:{port};
                    location / {{
                        limit_req zone=all {burst};
                        proxy_pass http://127.0.0.1:{backend};
                    }}
                }}
            }}""")
        return self.proxy(["nginx", "-p", self.directory, "-e", "stderr", "-c", config], port)

    def haproxy(self, backend, count, period):
        port = free_port()
        config = self.directory / "haproxy.cfg"
        config.write_text(f"""
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
frontend all
    bind 127.0.0.1:{port}
    stick-table type integer size 1k expire 1h store http_req_rate({period})
    http-request track-sc0 int(1)
    http-request deny deny_status 429 if {{ sc0_http_req_rate gt {count} }}
    default_backend list
backend list
    server list 127.0.0.1:{backend}
""")
        return self.proxy(["haproxy", "-q", "-db", "-f", config], port)

    def pull(self, url, backend, *, count, period, records, more=()):
        result = self.extract(url, "--rate", f"{count}/{period}s", "--records", "/results", *more)
        self.assertEqual(result.status, 0, result.stderr)
        self.assertEqual(sorted(record["id"] for record in result.records()), list(range(records)))
        # One more than there are pages: only an empty page proves that the total was the end.
        self.assertEqual((result.stats["refused"], result.stats["requests"]), (0, records + 1))
        with urllib.request.urlopen(f"http://127.0.0.1:{backend}/seen") as answer:
            seen = sorted(json.load(answer))[:records]  # without the one that proves the end
        return (len(seen) - 1) / (count * (seen[-1] - seen[0]) / period)

    def test_the_default_is_refused_by_none_and_uses_nearly_all(self):
        count, period = 10, 1
        records = count * WINDOWS
        for delay in (0.02, 3):
            for name in ("nginx", "nginx with burst", "haproxy"):
                with self.subTest(server=name, delay=delay):
                    backend = self.backend(records, delay)
                    if name == "haproxy":
                        url = self.haproxy(backend, count, f"{period}s")
                    else:
                        burst = "burst=5 nodelay" if "burst" in name else ""
                        url = self.nginx(backend, f"{count}r/s", burst)
                    used = self.pull(url, backend, count=count, period=period, records=records)
                    # The first page is alone until its answer is there.
                    lost = delay * 1.3 * count / records if delay > 1 else 0
                    self.assertGreaterEqual(used, 0.97 - lost)

    def test_a_burst_fits_into_a_bucket_with_room_for_it(self):
        backend = self.backend(200, 0.05)
        url = self.nginx(backend, "20r/s", "burst=19 nodelay")
        used = self.pull(url, backend, count=20, period=1, records=200,
                         more=("--rate-kind", "bucket", "--burst", 19))
        self.assertGreater(used, 0.97)


if __name__ == "__main__":
    unittest.main()
