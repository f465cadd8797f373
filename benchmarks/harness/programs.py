"""The programs that are compared: how each is started, and why it cannot be."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent.parent / "peers"


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    command: tuple[str, ...]
    missing: str = ""  # why it cannot be had
    share: float = 1.0  # of the pages, for what is too slow for all
    compiled: bool = False  # from C++, so that valgrind can run it


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")


def _run(command: list[str], **options) -> str:
    """Empty if it went well, else why not."""
    if shutil.which(command[0]) is None:
        return f"no {command[0]}"
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode == 0:
        return ""
    return f"{' '.join(command[:2])}: {_first_line(done.stderr)}"


def _go(build: Path) -> Program:
    binary = build / "fetch_go"
    # Debian installs the sources of Go libraries there.
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}
    command = ["go", "build", "-o", str(binary), str(PEERS / "fetch.go")]
    missing = _run(command, env=environment)
    return Program("Go, net/http and x/time/rate", (str(binary),), missing)


def _node() -> list[Program]:
    missing = _run(["node", "--version"])
    if not missing and not (PEERS / "node_modules").exists():
        missing = _run(["npm", "ci", "--no-audit", "--no-fund"], cwd=PEERS)
    command = ("node", str(PEERS / "fetch.mjs"))
    return [
        Program("Node.js, undici", command, missing),
        Program("Node.js, undici and p-queue", (*command, "--limiter", "p-queue"), missing),
        Program(
            "Node.js, undici and bottleneck", (*command, "--limiter", "bottleneck"), missing, 0.05
        ),
    ]


def _python() -> Program:
    # Not the interpreter of some virtual environment: Debian's packages belong to Debian's.
    system = Path("/usr/bin/python3")
    interpreter = str(system) if system.exists() else sys.executable
    missing = _run([interpreter, "-c", "import aiohttp, uvloop"])
    if missing:
        missing = "no aiohttp or no uvloop"
    return Program("Python, aiohttp and uvloop", (interpreter, str(PEERS / "fetch.py")), missing)


def headgate(build: Path) -> Program:
    return Program("headgate", (str(build / "whole_job"),), compiled=True)


def headgate_with_simdjson(build: Path) -> Program:
    binary = build / "whole_job_simdjson"
    missing = "" if binary.exists() else "built without simdjson"
    return Program("headgate with simdjson", (str(binary),), missing, compiled=True)


def baseline(build: Path) -> Program:
    """What all others are compared to."""
    return Program("libcurl, epoll by hand", (str(build / "curl_epoll"),), compiled=True)


def all_programs(build: Path) -> list[Program]:
    return [
        headgate(build),
        headgate_with_simdjson(build),
        baseline(build),
        Program("libcurl, curl_multi_poll", (str(build / "curl_poll"),), compiled=True),
        _go(build),
        *_node(),
        _python(),
    ]
