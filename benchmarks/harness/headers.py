"""What it takes to compile a file that includes nothing but one header of headgate.

A header is compared to what it includes of others: to the libraries alone (Asio, libcurl, nlohmann,
simdjson, SQLite, hiredis), and to these with the standard headers. What that is, the compiler says.
"""

import dataclasses
import json
import os
import re
import resource
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import measure

INCLUDE = Path(__file__).parents[2] / "include"
# The build has a file for each header, to see that it can be compiled alone.
ALONE = re.compile(r"_verify_interface_header_sets/(headgate/.*\.hpp)\.cxx$")
LIBRARIES = ("asio", "curl", "nlohmann", "simdjson", "sqlite3", "hiredis")


@dataclasses.dataclass(frozen=True)
class Header:
    name: str
    compiler: tuple[str, ...]  # with its options
    libraries: tuple[str, ...]  # the headers of these that it includes, also by another of ours
    foreign: tuple[str, ...]  # the same with all others that are not ours


def _run(compiler: tuple[str, ...], includes: tuple[str, ...], option: str) -> str:
    """Compiles a file with nothing but these includes; returns what the compiler says."""
    text = "".join(f"#include <{name}>\n" for name in includes)
    with tempfile.TemporaryDirectory(prefix="headgate-") as directory:
        file = Path(directory) / "alone.cpp"
        file.write_text(text, encoding="utf-8")
        command = [*compiler, option, "-o", f"{directory}/alone.o", str(file)]
        # A compiler cache would have nothing to measure.
        environment = os.environ | {"CCACHE_DISABLE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise RuntimeError(f"{shlex.join(command)}:\n{done.stderr}")
        return done.stderr


def _seconds(compiler: tuple[str, ...], includes: tuple[str, ...]) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    _run(compiler, includes, "-c")
    return {"seconds": resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before}


def _as_included(path: str, includer: Path) -> str:
    """How a header is called in the file that includes it; Asio's by macros."""
    text = includer.read_text(encoding="utf-8")
    named = re.findall(r"^\s*#\s*include\s*<(.*?)>", text, re.M)
    for part, file in re.findall(r"^\s*#\s*include HEADGATE_ASIO(?:_(\w+))?\((.*?)\)", text, re.M):
        named.append("/".join(["asio", *([part.lower()] if part else []), file]))
    return max((name for name in named if path.endswith("/" + name)), key=len)


def _foreign(name: str, compiler: tuple[str, ...]) -> tuple[str, ...]:
    """What is not ours and is included by what is, in that order."""
    # A line for each header: a dot for each file that it is included through, and its path.
    lines = re.findall(r"^(\.+) (.*)$", _run((*compiler, "-H"), (name,), "-E"), re.M)
    through: list[Path | None] = [None]  # None: not ours
    result = []
    for dots, path in lines:
        depth = len(dots)
        includer = through[depth - 1]
        resolved = Path(path).resolve()
        ours = resolved.is_relative_to(INCLUDE)
        if includer and not ours:
            result.append(_as_included(path, includer))
        through[depth:] = [resolved if ours else None]
    return tuple(result)


def public(build: Path) -> list[Header]:
    """The headers of all targets that are built, with the options of their build."""
    result = []
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        found = ALONE.search(entry["file"])
        if found is None or "/detail/" in found[1]:
            continue
        command = shlex.split(entry["command"])
        compiler = tuple(command[: command.index("-o")])
        foreign = _foreign(found[1], compiler)
        libraries = tuple(name for name in foreign if re.split(r"[/.]", name)[0] in LIBRARIES)
        result.append(Header(found[1], compiler, libraries, foreign))
    return result


def compare(headers: list[Header], rounds: int) -> list[dict]:
    runs: dict[tuple, Callable[[], dict]] = {}
    for header in headers:
        for what, includes in (
            ("own", (header.name,)),
            ("libraries", header.libraries),
            ("foreign", header.foreign),
        ):
            if includes:
                runs[header.name, what] = lambda header=header, includes=includes: _seconds(
                    header.compiler, includes
                )
    # All files have been read to find out what they include.
    results = {
        key: [each["seconds"] for each in found]
        for key, found in measure.alternate(runs, rounds, warm=True).items()
    }

    def against(name: str, what: str) -> dict | None:
        others = results.get((name, what))
        if others is None:
            return None
        ratios = [one / other for one, other in zip(results[name, "own"], others)]
        return {"seconds": measure.spread(others), "ratio": measure.spread(ratios)}

    return [
        {
            "header": header.name.removeprefix("headgate/"),
            "libraries": sorted({re.split(r"[/.]", name)[0] for name in header.libraries}),
            "seconds": measure.spread(results[header.name, "own"]),
            "against_libraries": against(header.name, "libraries"),
            "against_foreign": against(header.name, "foreign"),
        }
        for header in headers
    ]
