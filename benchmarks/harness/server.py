"""An nginx on loopback that serves the pages."""

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

CONFIGURATION = """\
daemon off;
master_process off;
worker_rlimit_nofile {files};
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/json;
    sendfile on;
    tcp_nodelay on;
    open_file_cache max=100;
    open_file_cache_valid 1h;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {directory}/pages;
    }}
}}
"""


def restrict_to(cpu: int | None) -> None:
    """For a child process before it begins: its CPU, and as many files as may be open."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def end_with_parent() -> None:
    """For a child process before it begins: it is not to outlive one that is killed."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


class Server:
    """`with Server(...) as server:`; stopped by its process id however the block ends."""

    def __init__(self, page: Path, cpu: int | None) -> None:
        self._page = page.read_text(encoding="utf-8")
        self._cpu = cpu

    def __enter__(self) -> "Server":
        self._directory = tempfile.TemporaryDirectory(prefix="headgate-")
        directory = Path(self._directory.name)
        self._pages = directory / "pages"
        self._pages.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        configuration = directory / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(directory=directory, port=self._port, files=8192)
        )
        command = ["nginx", "-e", str(directory / "error.log"), "-c", str(configuration)]
        self._process = subprocess.Popen(
            command,
            env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin"},
            preexec_fn=self._prepare,
        )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _prepare(self) -> None:
        restrict_to(self._cpu)
        end_with_parent()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._directory.cleanup()

    def url(self, records: int = 50) -> str:
        """Of a page with that many records, those of the original over and over."""
        name = f"page-{records}.json"
        file = self._pages / name
        if not file.exists():
            content = json.loads(self._page)
            original = content["results"]
            if records == len(original):
                file.write_text(self._page, encoding="utf-8")
            else:
                times = -(-records // len(original))
                content["results"] = (original * times)[:records]
                text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
                file.write_text(text, encoding="utf-8")
        return f"http://127.0.0.1:{self._port}/{name}"

    def _wait_until_it_listens(self) -> None:
        for _ in range(500):
            if self._process.poll() is not None:
                raise RuntimeError(f"nginx ended with status {self._process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError("nginx does not listen")
