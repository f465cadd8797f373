#!/usr/bin/env python3
"""Runs the benchmarks and writes tables and plots of what they say.

The C++ programs have to be built before: cmake --preset bench && cmake --build --preset bench.
What the peers in other languages need is built here; a peer that cannot be had is left out.
"""

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from harness import headers, machine, measure, programs, report
from harness.measure import Task
from harness.redis import Redis, missing
from harness.server import Server

HERE = Path(__file__).resolve().parent
PIECES = ["async_limiter", "work_queue", "result_channel", "page_parser"]
PARTS = ["pieces", "pace", "utilisation", "memory", "compile", "jobs", "growth", "fleet", "redis"]
NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def say(text: str) -> None:
    print(text, file=sys.stderr)


class Session:
    def __init__(self, settings: argparse.Namespace) -> None:
        self.settings = settings
        self.server_cpu, self.client_cpu = machine.cpus()
        self.results = {
            "machine": machine.describe(),
            "settings": {"rounds": settings.rounds, "quick": settings.quick},
            "skipped": {},
        }

    def scaled(self, number: int) -> int:
        """Less for --quick."""
        return max(1, number // 50) if self.settings.quick else number

    def pieces(self) -> list[dict]:
        rows = []
        for piece in PIECES:
            say(f"pieces: {piece}")
            with tempfile.NamedTemporaryFile(suffix=".json") as file:
                command = [
                    str(self.settings.build_dir / piece),
                    f"--benchmark_out={file.name}",
                    "--benchmark_out_format=json",
                    f"--benchmark_repetitions={self.settings.rounds}",
                    "--benchmark_enable_random_interleaving=true",
                    f"--benchmark_min_time={0.01 if self.settings.quick else 0.2}",
                ]
                measure.start(command, None)
                found = json.load(file)["benchmarks"]
            rows += self._rows(piece, found)
        return rows

    @staticmethod
    def _rows(piece: str, found: list[dict]) -> list[dict]:
        runs: dict[str, list[dict]] = {}
        for each in found:
            if each["run_type"] == "iteration":
                runs.setdefault(each["run_name"], []).append(each)

        def place(name: str) -> tuple[int, int]:
            run = runs[name][0]
            return run["family_index"], run["per_family_instance_index"]

        def nanoseconds(run: dict, which: str) -> float:
            return run[which] * NANOSECONDS[run["time_unit"]] / run.get("items", 1)

        return [
            {
                "piece": piece,
                "benchmark": re.sub(r"/(process_time|real_time)", "", name),
                "cpu_ns": measure.spread([nanoseconds(run, "cpu_time") for run in runs[name]]),
                "real_ns": measure.spread([nanoseconds(run, "real_time") for run in runs[name]]),
            }
            for name in sorted(runs, key=place)  # that of the source: they ran in random order
        ]

    def utilisation(self) -> list[dict]:
        say("utilisation")
        command = [str(self.settings.build_dir / "utilisation"), "--json"]
        return [json.loads(line) for line in measure.start(command, None).splitlines()]

    def pace(self) -> list[dict]:
        say("pace")
        command = [str(self.settings.build_dir / "pace")]
        return [json.loads(line) for line in measure.start(command, self.client_cpu).splitlines()]

    def memory(self) -> list[dict]:
        say("memory")
        # It repeats to the byte.
        output = measure.start([str(self.settings.build_dir / "suspended")], None)
        return [json.loads(line) for line in output.splitlines()]

    def compile(self) -> list[dict]:
        say("compile")
        every = headers.public(self.settings.build_dir.parent)
        if self.settings.quick:
            every = every[:3]
        return headers.compare(every, min(3, self.settings.rounds))

    def fleet(self) -> list[dict]:
        quick = ["--quick"] if self.settings.quick else []
        return self._with_redis("fleet", "fleet", quick)

    def redis(self) -> list[dict]:
        seconds = "0.2" if self.settings.quick else "2"
        return self._with_redis("redis", "redis_capacity", ["--seconds", seconds])

    def _with_redis(self, part: str, name: str, arguments: list[str]) -> list[dict]:
        binary = self.settings.build_dir / name
        why_not = missing() or ("" if binary.exists() else "built without hiredis")
        if why_not:
            say(f"without {part}: {why_not}")
            self.results["skipped"][part] = why_not
            return []
        say(part)
        with Redis(self.server_cpu) as redis:
            command = [str(binary), "--port", str(redis.port), *arguments]
            if part == "fleet":
                command.append("--json")
            output = measure.start(command, self.client_cpu)
        return [json.loads(line) for line in output.splitlines()]

    def jobs(self, server: Server) -> list[dict]:
        every = programs.all_programs(self.settings.build_dir)
        baseline = programs.baseline(self.settings.build_dir)
        for program in every:
            if program.missing:
                say(f"without {program.name}: {program.missing}")
                self.results["skipped"][program.name] = program.missing
        present = [program for program in every if not program.missing]
        # What parses takes several times as long.
        amounts = {"fetch": self.scaled(50_000), "ndjson": self.scaled(20_000)}
        return [
            self._job(present, baseline, Task(server.url(), pages, in_flight, job))
            for job, pages in amounts.items()
            for in_flight in (16, 64)
        ]

    def _job(self, present: list[programs.Program], baseline: programs.Program, task: Task) -> dict:
        say(f"jobs: {task.job}, {task.in_flight} in flight")
        runs = {
            program.name: lambda program=program: measure.perform(program, task, self.client_cpu)
            for program in present
        }
        results = measure.alternate(runs, self.settings.rounds)
        rows = []
        for program in present:
            row = {"program": program.name}
            row |= measure.summary(results[program.name], results[baseline.name])
            if self._traces(task):
                few = Task(task.url, self.scaled(2000), task.in_flight, task.job)
                row["calls"] = measure.system_calls(program, few, self.client_cpu)
            if self.settings.instructions and program.compiled:
                row["instructions"] = measure.instructions(program, task)
            rows.append(row)
        return {
            "job": task.job,
            "in_flight": task.in_flight,
            "baseline": baseline.name,
            "rows": rows,
        }

    def _traces(self, task: Task) -> bool:
        return task.job == "fetch" and not self.settings.no_trace and bool(shutil.which("strace"))

    def growth(self, server: Server) -> dict[str, list[dict]]:
        ours = programs.headgate(self.settings.build_dir)
        raw = programs.baseline(self.settings.build_dir)
        pages = [1000, 10_000, 100_000, 1_000_000]
        in_flight = [1, 10, 100, 1000]
        records = [50, 500, 5000, 50_000]
        return {
            "pages": self._growth(
                [ours], {n: Task(server.url(), n, 16, "fetch") for n in map(self.scaled, pages)}
            ),
            "in_flight": self._growth(
                [ours, raw],
                {n: Task(server.url(), self.scaled(20_000), n, "fetch") for n in in_flight},
            ),
            # As many records in all, whatever the size of a page.
            "records": self._growth(
                [ours],
                {
                    n: Task(server.url(n), max(1, self.scaled(1_000_000) // n), 4, "ndjson")
                    for n in records
                },
            ),
            "threads": self._growth(
                [ours],
                {
                    n: Task(server.url(), self.scaled(20_000), 16, "ndjson", n)
                    for n in range(1, (os.cpu_count() or 1) + 1)
                },
            ),
        }

    def _growth(self, which: list[programs.Program], tasks: dict[int, Task]) -> list[dict]:
        say(f"growth: {', '.join(map(str, tasks))}")
        runs = {
            (value, program.name): lambda program=program, task=task: measure.perform(
                program, task, self.client_cpu
            )
            for value, task in tasks.items()
            for program in which
        }
        results = measure.alternate(runs, min(3, self.settings.rounds))
        return [
            {"value": value, "program": program} | measure.summary(found)
            for (value, program), found in results.items()
        ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=Path, default=HERE.parent / "build/bench/benchmarks")
    parser.add_argument(
        "--output", type=Path, default=HERE.parent / "build/bench/results", help="directory"
    )
    parser.add_argument("--rounds", type=int, default=7, help="besides the first")
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the work, to try it")
    parser.add_argument("--no-trace", action="store_true", help="do not count system calls")
    parser.add_argument(
        "--instructions", action="store_true", help="count those of the C++ programs with valgrind"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts of it")
    settings = parser.parse_args()
    if settings.rounds < 1:
        parser.error("--rounds must be at least 1")
    return settings


def main() -> None:
    settings = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped
    session = Session(settings)
    results = session.results
    if "pieces" in settings.only:
        results["pieces"] = session.pieces()
    if "pace" in settings.only:
        results["pace"] = session.pace()
    if "utilisation" in settings.only:
        results["utilisation"] = session.utilisation()
    if "memory" in settings.only:
        results["memory"] = session.memory()
    if "fleet" in settings.only:
        results["fleet"] = session.fleet()
    if "redis" in settings.only:
        results["redis"] = session.redis()
    if "compile" in settings.only:
        results["compile"] = session.compile()
    if "jobs" in settings.only or "growth" in settings.only:
        with Server(HERE / "page.json", session.server_cpu) as server:
            if "jobs" in settings.only:
                results["jobs"] = session.jobs(server)
            if "growth" in settings.only:
                results["growth"] = session.growth(server)
    settings.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    (settings.output / "results.json").write_text(text, encoding="utf-8")
    table = report.tables(results)
    (settings.output / "table.md").write_text(table, encoding="utf-8")
    if not report.plots(results, settings.output):
        say("no gnuplot, so no plots")
    print(table)


if __name__ == "__main__":
    main()
