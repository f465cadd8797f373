"""Starts programs and takes what they say of themselves."""

import dataclasses
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from .programs import Program
from .server import restrict_to


@dataclasses.dataclass(frozen=True)
class Task:
    url: str
    pages: int
    in_flight: int
    job: str
    threads: int = 1

    def arguments(self, pages: int) -> list[str]:
        return [
            *("--url", self.url),
            *("--pages", str(pages)),
            *("--in-flight", str(self.in_flight)),
            *("--job", self.job),
            *(("--threads", str(self.threads)) if self.threads > 1 else ()),
        ]


def start(command: Sequence[str], cpu: int | None) -> str:
    """Runs a program to its end and returns what it printed."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=lambda: restrict_to(cpu),
    )
    return done.stdout


def perform(program: Program, task: Task, cpu: int | None) -> dict:
    pages = max(1, int(task.pages * program.share))
    # Several threads share all processors with the server.
    output = start([*program.command, *task.arguments(pages)], cpu if task.threads == 1 else None)
    result = json.loads(output.splitlines()[-1])
    if result["pages"] != pages:
        raise RuntimeError(f"{program.name} brought {result['pages']} pages of {pages}")
    return result


def alternate(
    runs: dict[Hashable, Callable[[], dict]], rounds: int, warm: bool = False
) -> dict[Hashable, list[dict]]:
    """A B C, C B A, A B C and so on, so that what changes slowly hits all alike. The first round
    only warms up and is dropped, unless everything is warm already."""
    results: dict[Hashable, list[dict]] = {key: [] for key in runs}
    for number in range(1 if warm else 0, rounds + 1):
        keys = list(runs) if number % 2 == 0 else list(reversed(runs))
        for key in keys:
            result = runs[key]()
            if number > 0:
                results[key].append(result)
        print(f"  round {number} of {rounds}", file=sys.stderr)
    return results


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(results: Sequence[dict], baseline: Sequence[dict] | None = None) -> dict:
    """What several runs of one program took; the ratio is that of the same round."""

    def per_page(result: dict) -> float:
        return result["cpu_seconds"] / result["pages"] * 1e6

    row = {
        "pages": results[0]["pages"],
        "records": results[0]["records"],
        "cpu_us_per_page": spread([per_page(each) for each in results]),
        "pages_per_second": spread([each["pages"] / each["wall_seconds"] for each in results]),
        "peak_rss_mib": spread([each["peak_rss_kib"] / 1024 for each in results]),
    }
    if "peak_in_flight" in results[0]:
        row["peak_in_flight"] = spread([each["peak_in_flight"] for each in results])
    if baseline is not None:
        ratios = [per_page(one) / per_page(other) for one, other in zip(results, baseline)]
        row["ratio"] = spread(ratios)
    return row


def _count_calls(command: Sequence[str], cpu: int | None) -> dict[str, int]:
    with tempfile.TemporaryDirectory(prefix="headgate-") as directory:
        log = Path(directory) / "calls"
        start(["strace", "-f", "-c", "-o", str(log), *command], cpu)
        # % time, seconds, usecs/call, calls, errors if there were any, name
        line = re.compile(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")
        found = (line.match(each) for each in log.read_text().splitlines())
        return {each[2]: int(each[1]) for each in found if each and each[2] != "total"}


def system_calls(program: Program, task: Task, cpu: int | None) -> dict[str, float]:
    """System calls a page: the difference of two runs, so that starting up does not count."""
    pages = max(500, int(task.pages * program.share))
    few = _count_calls([*program.command, *task.arguments(pages)], cpu)
    many = _count_calls([*program.command, *task.arguments(3 * pages)], cpu)
    calls = {name: (count - few.get(name, 0)) / (2 * pages) for name, count in many.items()}
    return {name: each for name, each in calls.items() if each >= 0.001}


def _count_instructions(command: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="headgate-") as directory:
        log = Path(directory) / "log"
        tool = ["valgrind", "--tool=callgrind", f"--log-file={log}"]
        start([*tool, f"--callgrind-out-file={directory}/profile", *command], None)
        found = re.search(r"Collected : (\d+)", log.read_text())
        if found is None:
            raise RuntimeError("valgrind did not say how many instructions it ran")
        return int(found[1])


def instructions(program: Program, task: Task) -> float:
    """Instructions a page outside the kernel, which other work on the machine hardly changes; the
    difference of two runs, so that starting up does not count."""
    few, many = 300, 900
    counts = [
        _count_instructions([*program.command, *task.arguments(pages)]) for pages in (few, many)
    ]
    return (counts[1] - counts[0]) / (many - few)
