"""A redis-server of the tests' own: on a free port of 127.0.0.1, in a directory that goes."""
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from support import stop


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class RedisServer:
    def __init__(self, test, persistent=False, password=None):
        if not shutil.which("redis-server"):
            raise RuntimeError("redis-server is not installed: apt-get install redis-server")
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=test.directory))
        self.test = test
        self.password = password
        self.options = ["--appendonly", "yes" if persistent else "no", "--appendfsync", "always"]
        if password:
            self.options += ["--requirepass", password]
        for attempt in range(5):  # another may take the port first
            self.port = free_port()
            if self.start():
                return
        raise RuntimeError("redis-server did not start: " + self.log())

    def start(self):
        """Also after `kill`, on the same port with what it has kept."""
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir",
                 str(self.directory), "--save", "", *self.options], stdout=log, stderr=log)
        self.test.addCleanup(stop, self.process)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.command("PING").startswith("+PONG"):
                    return True
            except OSError:
                pass
            time.sleep(0.02)
        return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def command(self, *words):
        """The first line of its answer, as the protocol has it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            answers = connection.makefile("rb")
            for each in ([["AUTH", self.password]] if self.password else []) + [words]:
                text = f"*{len(each)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in each)
                connection.sendall(text.encode())
                answer = answers.readline().decode()
            return answer

    def url(self, key, credentials=None):
        own = f":{self.password}@" if self.password else ""
        return f"redis://{own if credentials is None else credentials}127.0.0.1:{self.port}/{key}"

    def log(self):
        return (self.directory / "log").read_text()[-1000:]
