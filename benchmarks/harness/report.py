"""The results as tables in Markdown and as plots."""

import shutil
import subprocess
import tempfile
from pathlib import Path

PLOTS = Path(__file__).parent.parent / "plots"

JOBS = {
    "fetch": "fetch: each body whole in a string",
    "parse": "fetch and parse: JSON values of each body",
    "ndjson": "fetch, parse and write: each record a line of JSON",
}


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _spread(values: dict[str, float]) -> str:
    low, high = _number(values["min"]), _number(values["max"])
    return f"{_number(values['median'])} [{low}..{high}]"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _job(job: dict) -> str:
    baseline = job["baseline"]
    header = ["program", "CPU µs a page", f"ratio to {baseline}", "pages/s", "peak RSS MiB"]
    traced = any("calls" in row for row in job["rows"])
    if traced:
        header += ["system calls a page", "of them epoll_ctl and timerfd_settime"]
    counted = any("instructions" in row for row in job["rows"])
    if counted:
        header.append("instructions a page, without the kernel")
    lines = []
    for row in job["rows"]:
        line = [
            row["program"],
            _spread(row["cpu_us_per_page"]),
            _spread(row["ratio"]),
            _number(row["pages_per_second"]["median"]),
            _number(row["peak_rss_mib"]["median"]),
        ]
        if traced:
            calls = row.get("calls", {})
            setting = sum(calls.get(name, 0) for name in ("epoll_ctl", "timerfd_settime"))
            line += [f"{sum(calls.values()):.2f}", f"{setting:.2f}"] if calls else ["", ""]
        if counted:
            line.append(f"{row['instructions']:,.0f}" if "instructions" in row else "")
        lines.append(line)
    pages = job["rows"][0]["pages"]
    title = f"### {JOBS[job['job']]}; {job['in_flight']} in flight, {pages} pages\n\n"
    fewer = [row for row in job["rows"] if row["pages"] != pages]
    notes = "".join(f"\n{row['program']}: {row['pages']} pages only.\n" for row in fewer)
    notes += "".join(
        f"\n{row['program']} never had more than {row['peak_in_flight']['max']} in flight.\n"
        for row in job["rows"]
        if "peak_in_flight" in row and row["peak_in_flight"]["max"] < job["in_flight"]
    )
    return title + _table(header, lines) + notes


def _growth(growth: dict) -> str:
    parts = []
    for axis, title in GROWTH.items():
        header = [title, "program", "CPU µs a page", "peak RSS MiB", "ms from request to page"]
        by_record, by_flight = axis == "records", axis == "in_flight"
        by_thread = axis == "threads"
        if by_record:
            header.append("CPU µs a record")
        if by_flight:
            header.append("really in flight")
        if by_thread:
            header.append("pages/s")
        lines = []
        for row in growth[axis]:
            line = [
                str(row["value"]),
                row["program"],
                _spread(row["cpu_us_per_page"]),
                _spread(row["peak_rss_mib"]),
                _number(1e3 * (row["value"] if by_flight else IN_FLIGHT[axis])
                        / row["pages_per_second"]["median"]),
            ]
            if by_record:
                line.append(_number(row["cpu_us_per_page"]["median"] / row["value"]))
            if by_flight:
                peak = row.get("peak_in_flight")
                line.append(_spread(peak) if peak else "")
            if by_thread:
                line.append(_number(row["pages_per_second"]["median"]))
            lines.append(line)
        parts.append(f"### {title}\n\n" + _table(header, lines))
    return "\n".join(parts)


GROWTH = {
    "pages": "pages (fetch, 16 in flight)",
    "in_flight": "requests in flight (fetch)",
    "records": "records a page (ndjson, 4 in flight)",
    "threads": "threads, on processors shared with the server (ndjson, 16 in flight)",
}

# Of those whose axis is another; by Little's law what a page took follows from it and the pages/s.
IN_FLIGHT = {"pages": 16, "records": 4, "threads": 16}


def _pieces(pieces: list[dict]) -> str:
    lines = [
        [row["piece"], row["benchmark"], _spread(row["cpu_ns"]), _number(row["real_ns"]["median"])]
        for row in pieces
    ]
    return _table(["header", "benchmark", "CPU ns", "time ns"], lines)


def _utilisation(rows: list[dict]) -> str:
    lines = [
        [
            f"{row['latency_seconds']:g} s",
            row["strategy"],
            f"{row['used'] * 100:.1f} %",
            str(row["refused"]),
            str(row["most_in_window"]),
            str(row["peak_in_flight"]),
        ]
        for row in rows
    ]
    header = ["latency", "strategy", "quota used", "429s", "most in a window", "in flight"]
    return _table(header, lines)


def _memory(rows: list[dict]) -> str:
    lines = [[row["what"], f"{row['bytes']:.0f}"] for row in rows]
    return _table(["a coroutine that waits", "bytes each"], lines)


def _pace(rows: list[dict]) -> str:
    def cell(row: dict, key: str, factor: float = 1, unit: str = "") -> str:
        return f"{row[key] * factor:.4g}{unit}" if key in row else ""

    lines = [
        [
            row["what"],
            str(row["rate"]),
            cell(row, "share", 100, " %"),
            cell(row, "late_p99_us"),
            cell(row, "grants"),
            cell(row, "cpu_us"),
            cell(row, "out_of_order"),
        ]
        for row in rows
    ]
    header = ["bucket with a burst of one", "tokens a second", "of these came", "late, p99, µs"]
    header += ["grants", "CPU µs each", "out of order"]
    return _table(header, lines)


def _compile(rows: list[dict]) -> str:
    def against(other: dict | None) -> list[str]:
        if other is None:
            return ["", ""]
        return [_number(other["seconds"]["median"]), _spread(other["ratio"])]

    lines = [
        [
            row["header"],
            _spread(row["seconds"]),
            ", ".join(row["libraries"]),
            *against(row["against_libraries"]),
            *against(row["against_foreign"]),
        ]
        for row in rows
    ]
    header = ["header", "CPU s", "libraries that it includes", "CPU s of these", "ratio"]
    header += ["CPU s with the standard headers that it includes", "ratio"]
    return _table(header, lines)


def _fleet(rows: list[dict]) -> str:
    def share(row: dict, key: str) -> str:
        return f"{row[key]:.2f}" if key in row else ""

    lines = []
    for row in rows:
        wait = [f"{row[key]:.1f}" if key in row else "" for key in ("wait_p50_ms", "wait_p99_ms")]
        lines.append(
            [
                row["scenario"],
                row["kind"],
                f"{row['limit']:,}",
                f"{row['clients']:,}",
                f"{row['delay_ms']:g}",
                f"{row['loss'] * 100:g} %",
                f"{row['horizon_ms']:g}",
                f"{row['load'] * 100:g} %" if row["load"] else "all",
                f"{row['used'] * 100:.1f} %",
                str(row["refused"]),
                f"{row['calls_per_second']:,.0f}",
                f"{row['calls_per_request']:.2g}",
                f"{row['redis_us_per_call']:.0f}",
                share(row, "least_share"),
                share(row, "jain"),
                *wait,
            ]
        )
    header = ["scenario", "limit", "a second", "clients", "delay, ms", "loss", "horizon, ms"]
    header += ["wanted", "used", "refused", "calls a second", "a request", "Redis µs a call"]
    header += ["least to equal share", "Jain", "wait p50, ms", "p99"]
    return _table(header, lines)


def _redis(rows: list[dict]) -> str:
    lines = [
        [
            row["limit"],
            f"{row['clients']:,}",
            f"{row['calls_per_second']:,.0f}",
            f"{row['redis_us_per_call']:.3g}",
            f"{1e6 / row['redis_us_per_call']:,.0f}",
            f"{row['granted_per_second']:,.0f}",
            f"{row['p50_us'] / 1e3:.1f}",
            f"{row['p99_us'] / 1e3:.1f}",
        ]
        for row in rows
    ]
    header = ["limit", "clients", "calls a second", "Redis µs a call", "a CPU second has"]
    header.append("granted a second")
    return _table([*header, "answer after ms, p50", "p99"], lines)


def tables(results: dict) -> str:
    machine, settings = results["machine"], results["settings"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    parts = [
        "# What headgate costs\n\n"
        f"{machine['processor']}, {machine['cpus']} CPUs, {machine['system']}, Linux "
        f"{machine['kernel']}, load {machine['load_before']} before it began.\n\n"
        f"{packages}.\n\n"
        f"Median and [least..most] of {settings['rounds']} rounds in alternating order, the first "
        "dropped. CPU time is that of the program, user and system. The server has one CPU and the "
        "clients another, if there are two.\n"
    ]
    if results.get("jobs"):
        parts.append("## The whole job\n\n" + "\n".join(_job(each) for each in results["jobs"]))
    if results["skipped"]:
        lines = [[name, reason] for name, reason in results["skipped"].items()]
        parts.append("### Not measured\n\n" + _table(["program", "why"], lines))
    if results.get("growth"):
        parts.append("## As the work grows\n\n" + _growth(results["growth"]))
    if results.get("pieces"):
        parts.append("## The pieces\n\n" + _pieces(results["pieces"]))
    if results.get("pace"):
        parts.append("## The pace of a limiter, by the real clock\n\n" + _pace(results["pace"]))
    if results.get("memory"):
        parts.append(
            "## The memory of what waits\n\n"
            "What the heap holds for each of 10,000 coroutines, its own overhead included.\n\n"
            + _memory(results["memory"])
        )
    if results.get("compile"):
        parts.append(
            "## A file that includes nothing but one header, compiled\n\n"
            "User time of the compiler, with the options of this build.\n\n"
            + _compile(results["compile"])
        )
    if results.get("fleet"):
        parts.append(
            "## A fleet on one limit, in virtual time\n\n"
            "The script runs in a real Redis that is told the time. Delay is one way to Redis, on "
            "average; used is measured over whole periods once clients have learned; refused is "
            "what a strict sliding window would have, of all requests.\n\n"
            + _fleet(results["fleet"])
        )
    if results.get("redis"):
        parts.append(
            "## What one Redis carries, by the real clock\n\n"
            "64 calls on their way at any time.\n\n" + _redis(results["redis"])
        )
    if results.get("utilisation"):
        parts.append(
            "## Use of a quota of 100 requests per 60 s, sliding log, in virtual time\n\n"
            + _utilisation(results["utilisation"])
        )
    return "\n".join(parts)


def _plot(name: str, data: str, directory: Path, *arguments: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as file:
        file.write(data)
        file.flush()
        script = PLOTS / f"{name}.gp"
        output = directory / f"{name}.svg"
        subprocess.run(["gnuplot", "-c", script, file.name, output, *arguments], check=True)


def _plot_jobs(jobs: list[dict], directory: Path) -> None:
    """One block of bars for each job, of those with the fewest requests in flight."""
    fewest = min(job["in_flight"] for job in jobs)
    shown = [job for job in jobs if job["in_flight"] == fewest]
    lines = ["\t".join(["program", *(job["job"] for job in shown)])]
    for at, row in enumerate(shown[0]["rows"]):
        # Bars of what is a hundred times slower would leave nothing to see of the others.
        if row["pages"] == shown[0]["rows"][0]["pages"]:
            cells = (f"{job['rows'][at]['cpu_us_per_page']['median']:.4g}" for job in shown)
            lines.append("\t".join([row["program"], *cells]))
    _plot("jobs", "\n".join(lines) + "\n", directory, str(len(shown)), str(fewest))


def _plot_growth(growth: dict, directory: Path) -> None:
    """A block for each axis, of headgate's rows."""
    blocks = []
    for axis in GROWTH:
        rows = [row for row in growth[axis] if row["program"] == "headgate"]
        blocks.append(
            "".join(
                f"{row['value']}\t{row['cpu_us_per_page']['median']:.5g}"
                f"\t{row['peak_rss_mib']['median']:.5g}\n"
                for row in rows
            )
        )
    _plot("growth", "\n\n".join(blocks), directory)


def _plot_utilisation(rows: list[dict], directory: Path) -> None:
    strategies = list(dict.fromkeys(row["strategy"] for row in rows))
    lines = ["\t".join(["latency", *strategies])]
    for latency in dict.fromkeys(row["latency_seconds"] for row in rows):
        cells = [
            f"{row['used'] * 100:.4g}" for row in rows if row["latency_seconds"] == latency
        ]
        lines.append("\t".join([f"{latency:g} s", *cells]))
    _plot("utilisation", "\n".join(lines) + "\n", directory, str(len(strategies)))


def plots(results: dict, directory: Path) -> bool:
    """False if there is no gnuplot."""
    if shutil.which("gnuplot") is None:
        return False
    if results.get("jobs"):
        _plot_jobs(results["jobs"], directory)
    if results.get("growth"):
        _plot_growth(results["growth"], directory)
    if results.get("utilisation"):
        _plot_utilisation(results["utilisation"], directory)
    return True
