"""An API that does to its clients what is known of the worst, byte by byte, and judges them.

It listens on two ports; what reaches the second, a foreign origin, is kept separately. A list is at
/RUN/BEHAVIOUR?...: RUN names a run, to tell apart what the server keeps of each, and seeds what is
random in it; the query says how the behaviour goes. What all behaviours understand:

    records=250        how many there are
    cap=100            the largest page the server gives, whatever it is asked for
    total=JSON         what it tells of the total; or "exact", "grow", "shrink", "vanish", "fall"
    latency=0.05       seconds before each answer
    quota=10/1         requests in any so many seconds; what comes above it is answered 429
    framing=chunked    how a body ends; or "length", or "close"
    zip=1              with bodies in gzip
    fault=NAME         what becomes of an answer on its way, see the functions marked @fault,
    fault_every=1      for every n-th page, on its first try only, or "always"

GET /log/RUN gives {"requests": [...], "always": [...]}: each request as it arrived and what was
served, and the ids that the list had all the time. GET /foreign gives all that reached the second
port, GET /ports both ports.
"""
import argparse
import asyncio
import collections
import contextlib
import dataclasses
import functools
import gzip
import itertools
import json
import os
import pathlib
import random
import socket
import struct
import time
import urllib.parse
import zlib

PAGE = 20  # records, unless asked for another number
MIB = 1 << 20


class Run:
    """What is kept of one run of a client."""

    def __init__(self, name):
        self.random = random.Random(name)
        self.requests = []
        self.tries = collections.Counter()
        self.rows = None
        self.always = set()
        self.faulty = {}
        self.turn = -1
        self.changes = 0

    def rows_of(self, make):
        """The list, which is made when it is asked for the first time."""
        if self.rows is None:
            self.rows = make()
            self.always = {row["id"] for row in self.rows if "id" in row}
        return self.rows


@dataclasses.dataclass
class Request:
    """A request as it arrived."""

    method: str
    target: str
    headers: list
    body: bytes
    is_foreign: bool = False

    def __post_init__(self):
        url = urllib.parse.urlsplit(self.target)
        self.path = url.path
        self.query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        self.run_name, _, self.behaviour = self.path[1:].partition("/")
        self.run = None

    def get(self, name, default=None):
        return self.query.get(name, [default])[0]

    def number(self, name, default=0):
        return int(self.get(name, default))

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def size(self):
        """How many records a page has."""
        return min(self.number("limit", PAGE), self.number("cap", 100))

    def rows(self):
        return self.run.rows_of(lambda: [{"id": i} for i in range(self.number("records", 250))])

    def url(self, **changes):
        """This request's URL without scheme and host, with other parameters."""
        query = {**self.query, **changes}
        return self.path + "?" + urllib.parse.urlencode(query, doseq=True)

    def filled(self, template, **more):
        """A template that may speak of the two ports."""
        for name, value in {**ports, **more}.items():
            template = template.replace("{" + name + "}", str(value))
        return template


@dataclasses.dataclass
class Response:
    """An answer and how it goes over the wire."""

    body: bytes = b""
    status: int = 200
    headers: list = dataclasses.field(default_factory=list)
    served: int = 0          # records
    framing: str = "length"  # or "chunked", or "close" for neither of them
    raw: bytes = None        # goes out instead of all that
    cut: int = None          # only so many bytes go out
    end: str = "keep"        # what becomes of the connection: or "close", or "reset"
    drip: float = 0          # seconds between one byte and the next, from `drip_from` on
    drip_from: int = 0

    def wire(self):
        if self.raw is not None:
            return self.raw[:self.cut]
        lines = [f"HTTP/1.1 {self.status} Whatever", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        body = self.body
        if self.framing == "length":
            lines.append(f"Content-Length: {len(body)}")
        elif self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
            half = len(body) // 2
            body = b"".join(b"%x\r\n%s\r\n" % (len(each), each)
                            for each in (body[:half], body[half:]) if each) + b"0\r\n\r\n"
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        return (head + body)[:self.cut]

    def body_begin(self):
        return len(self.wire().partition(b"\r\n\r\n")[0]) + 4


def page(request, rows, *, place=0, headers=(), **more):
    """A page as it should be. `place` is where in the list it stands, for totals that move."""
    document = {**total_at(request, place), "results": rows, **more}
    return Response(json.dumps(document).encode(), headers=list(headers), served=len(rows or ()))


def total_at(request, place):
    told = request.get("total")
    exact = len(request.rows())
    if told is None or (told == "vanish" and place > 0):
        return {}
    if told == "grow":
        return {"count": min(exact, exact // 2 + place)}
    if told == "fall":
        return {"count": exact if place == 0 else request.number("stop")}
    if told == "shrink":
        return {"count": exact * 2 if place == 0 else exact}
    return {"count": exact if told in ("exact", "vanish") else json.loads(told)}


def error(status):
    return Response(json.dumps({"detail": f"status {status}"}).encode(), status)


behaviours = {}
faults = {}


def behaviour(function):
    behaviours[function.__name__] = function
    return function


def fault(function):
    faults[function.__name__] = function
    return function


# --- Lists of which any place can be asked for ----------------------------------------------------


def past_the_end(request, rows, begin):
    """What `past` says comes behind the end."""
    past = request.get("past", "empty")
    if past == "last":  # as Django's Paginator.get_page has it
        last = (len(rows) - 1) // request.size * request.size
        return page(request, rows[last:], place=begin)
    if past == "first":
        return page(request, rows[:request.size], place=begin)
    if past == "empty":
        return page(request, [], place=begin)
    if past == "null":
        return page(request, None, place=begin)
    return Response(status=204) if past == "204" else error(int(past))


def numbered(request, begin):
    rows = request.rows()
    ceiling = request.number("ceiling")
    if ceiling and begin >= ceiling:
        return error(422)
    if begin >= len(rows):
        return past_the_end(request, rows, begin)
    return page(request, rows[begin:begin + request.size], place=begin)


@behaviour
def offset(request):
    return numbered(request, request.number("offset"))


@behaviour
def page_number(request):
    return numbered(request, (request.number("page", 1) - 1) * request.size)


@behaviour
def deaf(request):
    """Does not know the parameter that tells the place."""
    return numbered(request, 0)


@behaviour
def holes(request):
    """Leaves out what a filter hides: pages `hidden` (from 0) are empty, `thin` have half."""
    index = request.number("page", request.number("offset") // request.size + 1) - 1
    hidden = [int(number) for number in request.query.get("hidden", [])]
    thin = [int(number) for number in request.query.get("thin", [])]

    def visible(row):
        at = row["id"] // request.size
        return at not in hidden and (at not in thin or row["id"] % 2 == 0)

    everything = [{"id": i} for i in range(request.number("records", 250))]
    request.run.rows_of(lambda: [row for row in everything if visible(row)])
    begin = index * request.size
    return page(request, [row for row in everything[begin:begin + request.size] if visible(row)])


@behaviour
def short(request):
    """Gives fewer records than it could on pages that begin at a multiple of 3."""
    begin = request.number("offset")
    count = request.size if begin % 3 else (request.size + 1) // 2
    return page(request, request.rows()[begin:begin + count], place=begin)


@behaviour
def broken_later(request):
    """Fails for ever from record `broken_from` on, with the status `with`."""
    if request.number("offset") >= request.number("broken_from"):
        return error(request.number("with", 500))
    return offset(request)


@behaviour
def changing(request):
    """Every few requests rows come or go at the front of the list, `times` times in all."""
    run = request.run
    rows = request.rows()
    due = run.changes < request.number("times", 5) and run.random.random() < 0.3
    if due and len(run.requests) > 1:
        run.changes += 1
        many = run.random.randint(1, request.number("most", 3))
        if request.get("change") == "insert":
            rows[:0] = [{"id": 1000 * run.changes + i} for i in range(many)]
        else:
            run.always -= {row["id"] for row in rows[:many]}
            del rows[:many]
    begin = request.number("offset")
    return page(request, rows[begin:begin + request.size], place=begin)


@behaviour
def equal_rows(request):
    """Records that cannot be told apart."""
    request.run.rows_of(lambda: [{"value": 7}] * request.number("records", 250))
    begin = request.number("offset")
    next_one = begin + request.size
    more = {"next": request.url(offset=next_one)} if next_one < len(request.rows()) else {}
    return page(request, request.rows()[begin:begin + request.size], place=begin, **more)


# --- Lists in which each page names the next ------------------------------------------------------


def chained(request, begin):
    """A page and where the next begins. Pages whose number is in `hidden` are empty, those in
    `thin` come short; the next one begins where they end. Behind `stop` there is no next."""
    run = request.run
    rows = request.rows()
    run.turn += run.tries[request.target] == 1
    here = str(run.turn)
    count = request.size
    if here in request.query.get("hidden", []):
        count = 0
    if here in request.query.get("thin", []):
        count //= 2
    end = begin + count
    stop = min(len(rows), request.number("stop", len(rows)))
    return rows[begin:end], end if end < stop else None


def told_of_more(request, end):
    """Whether there are records behind the place `end`, by the name `more_as`."""
    name = request.get("more_as")
    return {name: end < len(request.rows())} if name else {}


@behaviour
def cursor(request):
    """Also says, with `more` yes, whether records are left, or how many."""
    begin = int(request.get("cursor", "0-0").partition("-")[0])
    rows, end = chained(request, begin)
    more = {} if end is None else {"next": f"{end}-{len(request.run.requests)}"}
    left = len(request.rows()) - begin - len(rows)
    if told := request.get("more"):
        more["more"] = left > 0 if told == "yes" else left
    more.update(told_of_more(request, begin + len(rows)))
    return page(request, rows, place=begin, **more)


@behaviour
def elsewhere(request):
    """Names the next page at `at` in the body, a name or two with a dot between them."""
    begin = int(request.get("cursor", "0-0").partition("-")[0])
    rows, end = chained(request, begin)
    *above, name = request.get("at").split(".")
    more = {name: None if end is None else f"{end}-{len(request.run.requests)}"}
    return page(request, rows, place=begin, **({above[0]: more} if above else more))


@behaviour
def no_next(request):
    """One page that names no next, and tells of the total at `total_as`, two names with a dot."""
    above, name = request.get("total_as").split(".")
    return page(request, request.rows()[:request.size], **{above: {name: len(request.rows())}})


@behaviour
def expiring(request):
    """Does not know a cursor to record `broken_from` any more."""
    if request.get("cursor", "").startswith(request.get("broken_from") + "-"):
        return error(request.number("with", 400))
    return cursor(request)


@behaviour
def next_url(request):
    begin = request.number("at")
    rows, end = chained(request, begin)
    return page(request, rows, place=begin, **told_of_more(request, begin + len(rows)),
                next=None if end is None else request.url(at=end, turn=len(request.run.requests)))


@behaviour
def link(request):
    """With the next URL in header fields of the forms `form`."""
    begin = request.number("at")
    rows, end = chained(request, begin)
    headers = []
    if end is not None:
        following = request.url(at=end, turn=len(request.run.requests))
        places = {"next": following, "query": following.partition("?")[2],
                  "first": request.url(at=0)}
        headers = [request.filled(form, **places).split(": ", 1)
                   for form in request.query.get("form", ['Link: <{next}>; rel="next"'])]
    return page(request, rows, place=begin, headers=headers,
                **told_of_more(request, begin + len(rows)))


def chosen_cursors(request):
    """The JSON texts `give` are the cursors of one page after the other; "missing" is none. They
    must come back as they went, in the query or, also with their type, in the body's /page/cursor.
    """
    given = request.query["give"]
    if request.method == "POST":
        def parse(text):
            return json.loads(text, parse_int=lambda digits: ["number", digits])
        came = parse(request.body)["page"].get("cursor")
    else:
        def parse(text):
            return json.loads(text, parse_int=str, parse_float=str)
        came = request.get("cursor")
    if came is None:
        at = 0
    else:
        known = [parse(text) if text != "missing" else None for text in given]
        if came not in known:
            return None, None
        at = known.index(came) + 1
    return at, given[at] if at < len(given) else "missing"


@behaviour
def cursors(request):
    at, text = chosen_cursors(request)
    if at is None:
        return error(400)
    named = "" if text == "missing" else f', "next": {text}'
    return Response(f'{{"results": [{{"id": {at}}}]{named}}}'.encode(), served=1)


@behaviour
def cursors_in_header(request):
    at, text = chosen_cursors(request)
    if at is None:
        return error(400)
    headers = [] if text == "missing" else [("X-Next", json.loads(text))]
    return Response(json.dumps({"results": [{"id": at}]}).encode(), 200, headers, served=1)


@behaviour
def long_cursor(request):
    return page(request, [{"id": 0}], next="x" * request.number("bytes", MIB))


@behaviour
def circle(request):
    """Pages A, B, ... and then `cycle` of them again and again, by names that tell them apart or,
    with `nonce`, by names that never come twice. `style` is url, or url with the parameters in
    another order each time."""
    at = int(request.get("cursor", "0").partition("-")[0])
    last = request.number("pages", 4) - 1
    following = at + 1 if at < last else at + 1 - request.number("cycle", 1)
    name = str(following)
    if request.get("nonce"):
        name += f"-{request.run.random.getrandbits(64)}"
    if request.get("style") == "url":
        pairs = [pair for pair in urllib.parse.parse_qsl(request.target.partition("?")[2])
                 if pair[0] != "cursor"] + [("cursor", name)]
        request.run.random.shuffle(pairs)
        name = request.path + "?" + urllib.parse.urlencode(pairs)
    size = request.size
    return page(request, request.rows()[at * size:at * size + size], next=name)


@behaviour
def nothing_yet(request):
    """`empty` empty pages in a row, each with a next, and then the list."""
    at = request.number("at")
    if at < request.number("empty"):
        return page(request, [], next=request.url(at=at + 1))
    return page(request, request.rows())


# --- Lists by key ---------------------------------------------------------------------------------


@behaviour
def keyset(request):
    """Sorted by /key, `ties` records to each; gives what is behind (`op` gt) or from (ge) a key, or
    before it (lt). With `order` down the largest keys come first."""
    first = request.number("first", 1)
    ties = request.number("ties", 1)
    rows = request.run.rows_of(lambda: [{"id": str(i), "key": first + i // ties}
                                        for i in range(request.number("records", 250))])
    since = request.get("cursor")
    if request.get("order") == "down":
        rows = rows[::-1]
    if since is not None and request.get("op") == "lt":
        rows = [row for row in rows if row["key"] < int(since)]
    elif since is not None:
        least = int(since) + (request.get("op") != "ge")
        rows = [row for row in rows if row["key"] >= least]
    return page(request, rows[:request.size])


# --- Where a server may send its clients ----------------------------------------------------------


@behaviour
def lead(request):
    """The first page names `to` as the next, in the body or, if `in` is link, in a header field;
    with `in` redirect, page `when` (from 0) is a redirect there."""
    begin = request.number("offset", request.number("at"))
    target = request.filled(request.get("to"), here=request.url(),
                            next=request.url(at=begin + request.size))
    way = request.get("in", "body")
    if way == "redirect":
        if begin // request.size == request.number("when") and not request.is_foreign:
            return Response(status=request.number("status", 302), headers=[("Location", target)])
        return offset(request)
    if begin > 0 or request.is_foreign:
        return page(request, request.rows()[begin:begin + request.size])
    rows = request.rows()[:request.size]
    if way == "link":
        return page(request, rows, headers=[("Link", f'<{target}>; rel="next"')])
    return page(request, rows, next=target)


@behaviour
def moved(request):
    """Each page is `hops` redirects away."""
    hop = request.number("hop")
    if hop < request.number("hops", 1):
        return Response(status=request.number("status", 302),
                        headers=[("Location", request.url(hop=hop + 1))])
    request.query.pop("hop", None)
    return offset(request)


# --- Answers out of bounds ------------------------------------------------------------------------


@functools.lru_cache
def gigabyte():
    """Spaces, compressed to about a megabyte: a thousand times the same flushed block."""
    packer = zlib.compressobj(9, wbits=31)
    block = packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    head, block = block, packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * 1023


@functools.lru_cache
def monster(kind):
    deep = 10**6
    if kind == "gzip":
        return Response(gigabyte(), headers=[("Content-Encoding", "gzip")])
    if kind == "gzip twice":
        return Response(gzip.compress(gigabyte()), headers=[("Content-Encoding", "gzip, gzip")])
    if kind == "arrays":
        return Response(b'{"results": [' + b"[" * deep + b"]" * deep + b"]}")
    if kind == "open arrays":
        return Response(b'{"results": ' + b"[" * deep)
    if kind == "objects":
        return Response(b'{"results": [' + b'{"a":' * deep + b"1" + b"}" * deep + b"]}")
    if kind == "long header":
        return Response(b'{"results": []}', headers=[("X-Long", "x" * MIB)])
    assert kind == "many headers"
    return Response(b'{"results": []}', headers=[(f"X-{i}", "x" * 1000) for i in range(2000)])


@behaviour
def monstrous(request):
    """A list whose page at `when` is a monster."""
    if request.number("offset") == request.number("when"):
        return monster(request.get("kind"))
    return offset(request)


@behaviour
def tiny_records(request):
    """One page of `bytes` bytes with nothing but empty objects."""
    if request.number("at"):
        return page(request, [])
    count = request.number("bytes") // 3
    return Response(b'{"results":[' + b",".join([b"{}"] * count) + b"]}", served=count)


# --- What becomes of an answer on its way ---------------------------------------------------------


def half(response):
    return (response.body_begin() + len(response.wire())) // 2


@fault
def cut_with_length(response):
    return dataclasses.replace(response, cut=half(response), end="close")


@fault
def cut_without_length(response):
    response = dataclasses.replace(response, framing="close")
    return dataclasses.replace(response, cut=half(response), end="close")


@fault
def cut_in_chunk(response):
    response = dataclasses.replace(response, framing="chunked")
    return dataclasses.replace(response, cut=half(response) + 5, end="close")


@fault
def cut_before_last_chunk(response):
    response = dataclasses.replace(response, framing="chunked")
    return dataclasses.replace(response, cut=len(response.wire()) - 5, end="close")


def zipped(response, change):
    body = change(gzip.compress(response.body))
    return dataclasses.replace(response, body=body,
                               headers=response.headers + [("Content-Encoding", "gzip")])


@fault
def gzip_cut(response):
    return zipped(response, lambda body: body[:len(body) // 2])


@fault
def gzip_bad_crc(response):
    return zipped(response, lambda body: body[:-8] + bytes([body[-8] ^ 1]) + body[-7:])


@fault
def gzip_bad_data(response):
    return zipped(response, lambda body: body[:12] + b"\xff" * (len(body) - 12))


@fault
def gzip_with_something_behind(response):
    return zipped(response, lambda body: body + b"behind")


@fault
def gzip_in_name_only(response):
    return dataclasses.replace(response, headers=[("Content-Encoding", "gzip")])


@fault
def reset_at_once(response):
    return dataclasses.replace(response, cut=0, end="reset")


@fault
def reset_in_headers(response):
    return dataclasses.replace(response, cut=response.body_begin() - 10, end="reset")


@fault
def reset_in_body(response):
    return dataclasses.replace(response, cut=half(response), end="reset")


@fault
def close_at_once(response):
    return dataclasses.replace(response, cut=0, end="close")


@fault
def close_in_status_line(response):
    return dataclasses.replace(response, cut=10, end="close")


@fault
def close_in_headers(response):
    return dataclasses.replace(response, cut=response.body_begin() - 10, end="close")


@fault
def garbage(_):
    return Response(raw=bytes(range(256)) * 4, end="close")


@fault
def other_protocol(_):
    return Response(raw=b"220 mail.example.com ESMTP\r\n", end="close")


@fault
def html(_):
    return Response(b"<html>Back in a minute</html>")


@fault
def error_in_200(_):
    return Response(b'{"results": null, "next": null, "errors": [{"message": "timeout"}]}')


@fault
def accepted(_):
    return Response(status=202)


@fault
def accepted_list(_):
    return Response(b'{"results": [], "next": null}', 202)


@fault
def half_json(response):
    return dataclasses.replace(response, body=response.body[:len(response.body) // 2])


@fault
def status_500(_):
    return error(500)


@fault
def status_503(_):
    return error(503)


@fault
def close_when_idle(response):
    """All of the answer, and then the connection is gone without a word."""
    return dataclasses.replace(response, end="close")


@fault
def drip_slow(response):
    return dataclasses.replace(response, drip=1.2, drip_from=response.body_begin())


@fault
def drip_fast(response):
    return dataclasses.replace(response, drip=0.05, drip_from=response.body_begin())


@fault
def drip_headers(response):
    return dataclasses.replace(response, drip=0.05)


def damaged(request, response):
    """Applies the fault that the request asks for, if it is this answer's turn."""
    name = request.get("fault")
    if name is None:
        return response
    run = request.run
    order = run.faulty.setdefault(request.target, len(run.faulty))
    if name in ("close_at_each_byte", "reset_at_each_byte"):
        if run.tries[request.target] > 1 or order >= len(response.wire()):
            return response
        return dataclasses.replace(response, cut=order, end=name.partition("_")[0])
    every = request.get("fault_every", "1")
    if every == "always" or (run.tries[request.target] == 1 and order % int(every) == 0):
        return faults[name](response)
    return response


# --- The server -----------------------------------------------------------------------------------

runs = {}
foreign = []
ports = {}
connections = itertools.count()


def over_quota(request, now):
    """Whether more requests than the quota have come in the time before `now`; all are counted."""
    if not (quota := request.get("quota")):
        return False
    count, seconds = quota.split("/")
    before = request.run.requests[-int(count) - 1:-1]
    return len(before) == int(count) and before[0]["at"] > now - float(seconds)


def administer(request):
    if request.path == "/ports":
        return ports
    if request.path == "/foreign":
        return foreign
    run = runs.get(request.behaviour) or Run("")
    return {"requests": run.requests, "always": sorted(run.always)}


def answer(request, connection):
    now = time.monotonic()
    run = request.run = runs.setdefault(request.run_name, Run(request.run_name))
    entry = {"at": now, "connection": connection, "foreign": request.is_foreign,
             "method": request.method, "target": request.target, "headers": request.headers,
             "body": request.body.decode(errors="replace")}
    run.requests.append(entry)
    if over_quota(request, now):
        response = error(429)
    else:
        run.tries[request.target] += 1
        function = behaviours.get(request.behaviour)
        response = function(request) if function else error(404)
        response = dataclasses.replace(response, framing=request.get("framing", "length"))
        if request.get("zip"):
            response = zipped(response, lambda body: body)
        response = damaged(request, response)
    entry.update(status=response.status, served=response.served)
    return response


async def read_request(reader, is_foreign):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    method, target, _ = first.split(" ")
    headers = [line.split(": ", 1) if ": " in line else [line, ""] for line in lines]
    request = Request(method, target, headers, b"", is_foreign)
    request.body = await reader.readexactly(int(request.header("content-length") or 0))
    return request


async def send(writer, response):
    wire = response.wire()
    at_once = response.drip_from if response.drip else len(wire)
    writer.write(wire[:at_once])
    for i in range(at_once, len(wire)):
        writer.write(wire[i:i + 1])
        await asyncio.sleep(response.drip)
    await writer.drain()


async def converse(reader, writer, is_foreign):
    connection = next(connections)
    if is_foreign:
        foreign.append({"connection": connection, "requests": []})
        seen = foreign[-1]["requests"]
    while True:
        request = await read_request(reader, is_foreign)
        if request.path.startswith(("/log/", "/ports", "/foreign")):
            await send(writer, Response(json.dumps(administer(request)).encode()))
            continue
        if is_foreign:
            seen.append({"target": request.target, "headers": request.headers,
                         "body": request.body.decode(errors="replace")})
        response = answer(request, connection)
        if latency := float(request.get("latency", 0)):
            await asyncio.sleep(latency)
        await send(writer, response)
        if response.end == "reset":
            now = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        if response.end != "keep" or response.framing == "close":
            return


async def serve_connection(is_foreign, reader, writer):
    try:
        await converse(reader, writer, is_foreign)
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        pass  # clients that go, or that were sent to speak something else, are part of the tests
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port-file", required=True)
    options = arguments.parse_args()
    servers = []
    for name in ("home", "foreign"):
        handler = functools.partial(serve_connection, name == "foreign")
        server = await asyncio.start_server(handler, "127.0.0.1", 0, backlog=1000, limit=MIB)
        ports[name] = server.sockets[0].getsockname()[1]
        servers.append(server)
    partial = options.port_file + ".part"
    pathlib.Path(partial).write_text(str(ports["home"]))
    os.rename(partial, options.port_file)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
