"""On what it was measured."""

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

PEERS = Path(__file__).parent.parent / "peers"

PACKAGES = [
    "g++",
    "libasio-dev",
    "libcurl4-openssl-dev",
    "nlohmann-json3-dev",
    "nginx-light",
    "golang-go",
    "golang-golang-x-time-dev",
    "nodejs",
    "python3",
    "python3-aiohttp",
    "python3-uvloop",
    "libhiredis-dev",
    "redis-server",
]


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _distribution() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")


def _versions() -> dict[str, str]:
    locked = json.loads((PEERS / "package.json").read_text(encoding="utf-8"))["dependencies"]
    if shutil.which("dpkg-query") is None:
        return locked
    command = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    installed = (line.split(" ", 1) for line in output.splitlines() if not line.endswith(" "))
    return dict(installed) | locked


def describe() -> dict:
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "system": _distribution(),
        "packages": _versions(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def cpus() -> tuple[int | None, int | None]:
    """For the server and for the clients; no particular one if they cannot have one each."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)
