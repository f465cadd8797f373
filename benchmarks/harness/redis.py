"""A redis-server on loopback."""

import shutil
import socket
import subprocess
import tempfile
import time

from .server import end_with_parent, restrict_to


def missing() -> str:
    """Why it cannot be had; empty if it can."""
    return "" if shutil.which("redis-server") else "no redis-server"


class Redis:
    """`with Redis(...) as redis:`, without persistence; stopped by its process id however the block
    ends."""

    def __init__(self, cpu: int | None) -> None:
        self._cpu = cpu

    def __enter__(self) -> "Redis":
        self._directory = tempfile.TemporaryDirectory(prefix="headgate-")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
            + ["--appendonly", "no", "--dir", self._directory.name],
            stdout=subprocess.DEVNULL,
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

    def _wait_until_it_listens(self) -> None:
        for _ in range(500):
            if self._process.poll() is not None:
                raise RuntimeError(f"redis-server ended with status {self._process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError("redis-server does not listen")
