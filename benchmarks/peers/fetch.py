#!/usr/bin/env python3
"""The job with aiohttp on uvloop, and a token bucket."""

import argparse
import asyncio
import json
import re
import resource
import time

import aiohttp
import uvloop


class TokenBucket:
    """Its rate is out of reach, so that nobody ever waits long."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._refilled = time.monotonic()

    async def acquire(self) -> None:
        while not self._take():
            await asyncio.sleep((1 - self._tokens) / self._rate)

    def _take(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._refilled) * self._rate)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Job:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._numbers: asyncio.Queue = asyncio.Queue(64)
        self._bodies: asyncio.Queue = asyncio.Queue(arguments.in_flight)
        self._limiter = TokenBucket(1e9, 1e9)
        self._output = open(arguments.output, "w", encoding="utf-8")
        self.pages = 0
        self.records = 0
        self.bytes = 0

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(limit=self._arguments.in_flight)
        async with aiohttp.ClientSession(connector=connector) as session:
            workers = [self._work(session) for _ in range(self._arguments.in_flight)]
            await asyncio.gather(self._plan(), self._receive(), *workers)
        self._output.close()

    async def _plan(self) -> None:
        for number in range(self._arguments.pages):
            await self._numbers.put(number)
        for _ in range(self._arguments.in_flight):
            await self._numbers.put(None)

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while (number := await self._numbers.get()) is not None:
            await self._limiter.acquire()
            async with session.get(f"{self._arguments.url}?page={number}") as response:
                response.raise_for_status()
                await self._bodies.put(await response.read())

    async def _receive(self) -> None:
        while self.pages < self._arguments.pages:
            self._take(await self._bodies.get())

    def _take(self, body: bytes) -> None:
        self.pages += 1
        self.bytes += len(body)
        if self._arguments.job == "fetch":
            return
        records = json.loads(body)["results"]
        self.records += len(records)
        if self._arguments.job == "ndjson":
            self._output.write("".join(json.dumps(each) + "\n" for each in records))


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_rss_kib() -> int:
    """Not getrusage's ru_maxrss, in which the process that started this one has a part."""
    with open("/proc/self/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s*(\d+)", status.read())[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="page to fetch again and again")
    parser.add_argument("--pages", type=int, default=1000, help="how many")
    parser.add_argument("--in-flight", type=int, default=16, help="requests at once")
    parser.add_argument("--job", choices=["fetch", "parse", "ndjson"], default="fetch")
    parser.add_argument("--output", default="/dev/null", help="for the records of the job ndjson")
    arguments = parser.parse_args()

    uvloop.install()

    async def measured() -> dict:
        job = Job(arguments)
        began, cpu = time.monotonic(), cpu_seconds()
        await job.run()
        return {
            "cpu_seconds": cpu_seconds() - cpu,
            "wall_seconds": time.monotonic() - began,
            "pages": job.pages,
            "records": job.records,
            "bytes": job.bytes,
            "peak_rss_kib": peak_rss_kib(),
        }

    print(json.dumps(asyncio.run(measured())))


if __name__ == "__main__":
    main()
