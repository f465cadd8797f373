"""`extract` gives each record once, or says what is missing and why, whatever the server does.

The server is its own judge: each run is checked against what it saw. HOSTILE_SEED changes what is
random in it.
"""
import http.client
import json
import os
import pathlib
import resource  # noqa: F401  (os.wait4 fills its structure)
import subprocess
import tempfile
import threading
import time
import types
import unittest
import urllib.parse

from support import Case, Result, start_server, stop

SEED = os.environ.get("HOSTILE_SEED", "1")
MEASURES = os.environ.get("MEASURE_MEMORY")

LONGEST = 20 if MEASURES else 100  # seconds for a run; sanitizers are slow
UNLIMITED = "100000/s"
PAGE = 20  # records, as the server has it
STYLES = {"offset": "offset", "page_number": "page", "cursor": "cursor", "next_url": "next",
          "link": "link"}
PAST_THE_END = ["empty", "null", "204", "last", "first", "404", "416", "422"]
PORTS = {}


def setUpModule():
    directory = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(directory.cleanup)
    test = types.SimpleNamespace(directory=pathlib.Path(directory.name),
                                 addCleanup=unittest.addModuleCleanup)
    PORTS["home"] = start_server(test, "hostile_api.py")
    PORTS.update(ask("/ports"))


def ask(path):
    """What the server says as the judge."""
    connection = http.client.HTTPConnection("127.0.0.1", PORTS["home"], timeout=60)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


class Hostile(Case):
    runs = 0

    def url(self, behaviour, *, authority="127.0.0.1", **query):
        """The list of a new run."""
        self.runs += 1
        self.run_name = f"{self.id().rpartition('.')[2]}-{self.runs}-{SEED}"
        text = urllib.parse.urlencode(query, doseq=True)
        return f"http://{authority}:{PORTS['home']}/{self.run_name}/{behaviour}?{text}"

    def pull(self, behaviour, *arguments, quota=None, counted=True, longest=LONGEST, **query):
        """Runs `extract` on a list and checks what must be so however it ends.

        @param quota    requests and seconds, which both the server and `extract` keep to
        @param counted  whether all requests go to the run
        """
        if behaviour in STYLES and "--paginate" not in arguments:
            arguments = ("--paginate", STYLES[behaviour], *arguments)
        rate = UNLIMITED
        if quota:
            rate = "%d/%ds" % quota
            query["quota"] = "%d/%d" % quota
        stats = self.directory / f"stats-{self.runs}.json"
        process = self.start(self.url(behaviour, **query), "--rate", rate, *arguments, "--stats",
                             stats)
        try:
            stdout, stderr = process.communicate(timeout=longest)
        except subprocess.TimeoutExpired:
            stop(process)
            self.fail(f"not done after {longest} s: " + " ".join(process.args))
        result = Result(process, stdout, stderr, stats)
        self.assertIsNotNone(result.stats, result.stderr)
        self.judge(result, counted, quota)
        return result

    def judge(self, result, counted, quota):
        result.ids = [record["id"] for record in result.records() if "id" in record]
        told = ask("/log/" + self.run_name)
        result.log, result.always = told["requests"], told["always"]
        self.assertEqual(len(result.ids), len(set(result.ids)), "delivered twice")
        self.assertEqual(len(result.records()), result.stats["records"])
        if counted:
            self.assertEqual(len(result.log), result.stats["requests"])
        if quota:
            self.assertEqual([each for each in result.log if each["status"] == 429], [])

    def assert_complete(self, result, ids=None):
        self.assertEqual((result.status, result.stderr), (0, ""))
        self.assertEqual(result.stats["outcome"], "complete")
        self.assertEqual(sorted(result.ids), result.always if ids is None else list(ids))

    def assert_cut_short(self, result, code, *parts, ids=None):
        """Not complete, and says so; with these records, if they are given."""
        self.assert_one_line(result, 1, *parts)
        self.assertEqual(result.stats["outcome"], code, result.stderr)
        if ids is not None:
            self.assertEqual(sorted(result.ids), list(ids))


class PageSizes(Hostile):
    def test_a_server_that_clamps_the_page_size_gives_all(self):
        for behaviour in STYLES:
            for total in ([], ["exact"]):
                for in_flight in (1, 16):
                    with self.subTest(behaviour=behaviour, total=total, in_flight=in_flight):
                        result = self.pull(behaviour, "--page-size", 500, "--max-in-flight",
                                           in_flight, records=10_000, total=total)
                        self.assert_complete(result, range(10_000))

    def test_a_quota_is_kept_to_meanwhile(self):
        for behaviour in STYLES:
            with self.subTest(behaviour=behaviour):
                result = self.pull(behaviour, "--page-size", 500, quota=(50, 1), records=5000)
                self.assert_complete(result, range(5000))

    def test_empty_and_short_pages_of_a_chain_are_not_its_end(self):
        for behaviour in ("cursor", "next_url", "link"):
            for pages in ({"hidden": [2, 3]}, {"thin": [0, 4]}, {"hidden": [0], "thin": [1, 7]}):
                with self.subTest(behaviour=behaviour, pages=pages):
                    self.assert_complete(self.pull(behaviour, **pages), range(250))

    def test_short_pages_of_numbered_lists_are_not_their_end(self):
        for total in ([], ["exact"]):
            for in_flight in (1, 16):
                with self.subTest(total=total, in_flight=in_flight):
                    flight = ["--max-in-flight", in_flight, "--page-size", PAGE]
                    self.assert_complete(self.pull("short", *flight, total=total), range(250))
                    self.assert_complete(self.pull("holes", "--paginate", "page", *flight,
                                                   thin=[0, 4, 5], total=total))

    def with_a_hole(self, paginate, in_flight, **query):
        return self.pull("holes", "--paginate", paginate, "--page-size", PAGE, "--max-in-flight",
                         in_flight, hidden=[4], **query)

    def test_empty_pages_amid_numbered_lists_are_not_their_end(self):
        for paginate in ("offset", "page"):
            with self.subTest(paginate=paginate):
                self.assert_complete(self.with_a_hole(paginate, 16))

    def test_empty_pages_amid_lists_with_a_total_are_read_over_or_told(self):
        for paginate in ("offset", "page"):
            for in_flight in (1, 16):
                with self.subTest(paginate=paginate, in_flight=in_flight):
                    result = self.with_a_hole(paginate, in_flight, total="exact")
                    self.assertGreater(len(result.ids), 200)
                    if len(result.ids) < 230:
                        self.assert_cut_short(result, "count_mismatch", "230",
                                              str(len(result.ids)))

    def test_a_last_page_that_is_full_needs_no_more_than_three_requests(self):
        for behaviour in STYLES:
            for total in ([], ["exact"]):
                with self.subTest(behaviour=behaviour, total=total):
                    result = self.pull(behaviour, "--max-in-flight", 1, "--page-size", PAGE,
                                       records=200, total=total)
                    self.assert_complete(result, range(200))
                    self.assertLessEqual(len(result.log), 13)

    def test_an_empty_list_in_any_form_is_complete(self):
        for behaviour in STYLES:
            with self.subTest(behaviour=behaviour):
                self.assert_complete(self.pull(behaviour, records=0), [])
        for paginate in ("offset", "page", "cursor", "next", "link"):
            for past in ("204", "null"):
                with self.subTest(paginate=paginate, past=past):
                    result = self.pull("offset", "--paginate", paginate, records=0, past=past)
                    self.assert_complete(result, [])


class PastTheEnd(Hostile):
    def requests_behind(self, result, behaviour, records):
        def begin(request):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(request["target"]).query)
            if behaviour == "page_number":
                return (int(query["page"][0]) - 1) * PAGE
            return int(query["offset"][0])

        return sum(begin(request) >= records for request in result.log)

    def check(self, behaviour, past, total, in_flight, ordered, records):
        result = self.pull(behaviour, "--page-size", PAGE, "--max-in-flight", in_flight, *ordered,
                           records=records, past=past, total=total)
        self.assert_complete(result, range(records))
        # One page alone is no proof of the end, and the first is asked for twice.
        most = max(in_flight, 3)
        self.assertLessEqual(self.requests_behind(result, behaviour, records), most)
        if ordered:
            self.assertEqual(result.ids, sorted(result.ids))

    def test_whatever_comes_there_is_not_delivered_and_ends_the_list(self):
        for behaviour in ("offset", "page_number"):
            for past in PAST_THE_END:
                for total in ([], ["exact"]):
                    for in_flight, ordered in ((1, []), (16, []), (16, ["--ordered"])):
                        case = (behaviour, past, total, in_flight, ordered)
                        with self.subTest(case=case):
                            self.check(*case, records=230)

    def test_also_behind_a_full_last_page(self):
        for behaviour in ("offset", "page_number"):
            for past in PAST_THE_END:
                for in_flight in (1, 16):
                    with self.subTest(case=(behaviour, past, in_flight)):
                        self.check(behaviour, past, [], in_flight, [], records=200)

    def test_a_server_that_knows_no_places_is_not_taken_for_a_list_of_one_page(self):
        for paginate in ("offset", "page"):
            for in_flight in (1, 16):
                flight = ["--paginate", paginate, "--max-in-flight", in_flight]
                with self.subTest(paginate=paginate, in_flight=in_flight):
                    for size in ([], ["--page-size", PAGE]):
                        self.assert_cut_short(self.pull("deaf", *flight, *size), "loop",
                                              ids=range(PAGE))
                    self.assert_cut_short(self.pull("deaf", *flight, total="exact"), "loop", "250",
                                          ids=range(PAGE))
                    self.assert_complete(self.pull("deaf", *flight, total=PAGE), range(PAGE))

    def test_records_that_cannot_be_told_apart_are_not_silently_lost(self):
        for paginate in ("next", "offset", "page"):
            for total in ([], ["exact"]):
                with self.subTest(paginate=paginate, total=total):
                    result = self.pull("equal_rows", "--paginate", paginate, "--page-size", PAGE,
                                       total=total, records=100)
                    if result.stats["outcome"] != "loop" or paginate == "next":
                        self.assertEqual(result.status, 0, result.stderr)
                        self.assertEqual(len(result.records()), 100)


class Loops(Hostile):
    """Each is named as one after at most one page was fetched twice."""

    def assert_loop(self, result, pages):
        self.assert_cut_short(result, "loop", ids=range(pages * PAGE))
        self.assertLessEqual(len(result.log), pages + 1)

    def test_cursors_that_come_again(self):
        for pages, cycle in ((1, 1), (4, 1), (2, 2), (4, 2), (4, 4), (12, 5)):
            for nonce in ([], ["yes"]):
                with self.subTest(pages=pages, cycle=cycle, nonce=nonce):
                    result = self.pull("circle", "--paginate", "cursor", pages=pages, cycle=cycle,
                                       nonce=nonce)
                    self.assert_loop(result, pages)

    def test_next_urls_that_differ_only_in_order(self):
        for pages, cycle in ((1, 1), (3, 3), (5, 2)):
            with self.subTest(pages=pages, cycle=cycle):
                result = self.pull("circle", "--paginate", "next", pages=pages, cycle=cycle,
                                   style="url", other=["a", "b", "c"], another="d")
                self.assert_loop(result, pages)

    def test_empty_pages_without_an_end(self):
        result = self.pull("nothing_yet", "--paginate", "next", empty=1100)
        self.assert_cut_short(result, "empty_run", "1001", ids=[])
        self.assertEqual(len(result.log), 1001)

    def test_many_empty_pages_before_the_list_are_borne(self):
        result = self.pull("nothing_yet", "--paginate", "next", empty=100, records=20)
        self.assert_complete(result, range(20))


ODD_CURSORS = [json.dumps(text) for text in (
    "9007199254740993", "a b", "`+/=&#%`", "%2F", "%2f%25%", "a+b", "?&cursor=x", "é", "日本語",
    "\U0001f600", "\x01\x1f", "\x00", "\r\nX-Evil: 1", "\x7f", "'\"<>\\^{|}~", ".", "..", "null",
    "false", " lead and trail ")]
ODD_NUMBERS = ["0", "-1", "9007199254740995", "18446744073709551615", "-9223372036854775808"]
HUGE_NUMBERS = ["18446744073709551616", "123456789012345678901234567890"]


class Cursors(Hostile):
    """The server refuses any cursor that does not come back as it went."""

    def pages(self, behaviour, give, *arguments):
        result = self.pull(behaviour, "--paginate", "cursor", *arguments, give=give)
        self.assert_complete(result, range(len(give)))

    def test_each_goes_back_as_it_came(self):
        self.pages("cursors", [*ODD_CURSORS, *ODD_NUMBERS, *HUGE_NUMBERS, "1.50", "missing"])

    def test_each_goes_back_as_it_came_in_a_header(self):
        give = [text for text in ODD_CURSORS
                if json.loads(text).isprintable() and json.loads(text).strip() == json.loads(text)]
        self.pages("cursors_in_header", [*give, "missing"], "--cursor-header", "X-Next")
        self.pages("cursors_in_header", ['"a"', "missing"], "--cursor-header", "x-nEXT")

    def test_an_empty_header_is_the_end(self):
        self.pages("cursors_in_header", ['"a"', '""'], "--cursor-header", "X-Next")

    BODY = ["--data", '{"page": {"size": 1}}', "--cursor-param", "/page/cursor"]

    def test_each_goes_back_as_it_came_in_a_body(self):
        self.pages("cursors", [*ODD_CURSORS, *ODD_NUMBERS, "missing"], *self.BODY)

    def test_huge_numbers_go_back_as_numbers_in_a_body(self):
        self.pages("cursors", [*HUGE_NUMBERS, "missing"], *self.BODY)

    def test_what_means_that_there_is_none_is_the_end(self):
        for end in ('""', "null", "false", "missing"):
            with self.subTest(end=end):
                self.pages("cursors", ['"a"', end])

    def test_what_is_no_cursor_is_told(self):
        for text in ("true", "[]", "{}", '["a"]'):
            with self.subTest(text=text):
                result = self.pull("cursors", "--paginate", "cursor", give=['"a"', text])
                self.assert_cut_short(result, "page_failed", "page 2", "/next")

    def test_the_page_says_whether_there_is_more(self):
        for more in ("yes", "left"):
            with self.subTest(more=more):
                result = self.pull("cursor", "--more", "/more", more=more)
                self.assert_complete(result, range(250))
                result = self.pull("cursor", "--more", "/more", more=more, stop=100)
                self.assert_cut_short(result, "page_failed", "page 5", "there is more", "/next",
                                      ids=range(100))

    def test_one_that_is_elsewhere_is_told(self):
        styles = (["cursor"], ["cursor", "--cursor-header", "X-Next"], ["next"], ["link"])
        for at in ("next_cursor", "nextPageToken", "meta.next", "response_metadata.next_cursor",
                   "cursor", "meta.cursor", "paging.after"):
            place = "/" + at.replace(".", "/")
            for style in styles:
                with self.subTest(at=at, style=style):
                    style = ["--paginate", *style]
                    result = self.pull("elsewhere", *style, at=at)
                    self.assert_cut_short(result, "page_failed", "page 1", f"there is {place}",
                                          ids=range(PAGE))
                    result = self.pull("elsewhere", *style, at=at, records=PAGE)
                    self.assert_complete(result, range(PAGE))
            result = self.pull("elsewhere", "--paginate", "cursor", "--next", place, at=at)
            self.assert_complete(result, range(250))

    def test_more_by_a_usual_name_is_told(self):
        for style in ("cursor", "next_url", "link"):
            with self.subTest(style=style):
                result = self.pull(style, more_as="has_more", stop=100)
                self.assert_cut_short(result, "page_failed", "page 5", "/has_more is true",
                                      ids=range(100))
                self.assert_complete(self.pull(style, more_as="has_more"), range(250))

    def test_a_list_without_any_next_is_measured_by_its_total(self):
        for style in ("cursor", "next", "link"):
            with self.subTest(style=style):
                result = self.pull("no_next", "--paginate", style, total_as="meta.total")
                self.assert_cut_short(result, "count_mismatch", "/meta/total", "250", "20 records",
                                      ids=range(PAGE))
                result = self.pull("no_next", "--paginate", style, total_as="meta.total",
                                   records=PAGE)
                self.assert_complete(result, range(PAGE))

    def test_one_that_has_expired_is_told(self):
        for status in (400, 404, 410, 422):
            with self.subTest(status=status):
                result = self.pull("expiring", "--paginate", "cursor", broken_from=40,
                                   **{"with": status})
                self.assert_cut_short(result, "cursor_expired", "page 3", str(status), "40 records",
                                      ids=range(40))

    def test_one_that_is_too_long_is_told(self):
        for paginate in ("cursor", "next"):
            result = self.pull("long_cursor", "--paginate", paginate)
            self.assert_cut_short(result, "bound_exceeded", "page 1", "16384")


class Totals(Hostile):
    """A total may plan pages; only the data may end them."""

    def test_those_that_are_wrong_in_form_or_on_the_move_lose_nothing(self):
        for behaviour in STYLES:
            for total in ("grow", "vanish", '"250"', "-1", "250.0", "null", "[]", "10", "200",
                          "18446744073709551616"):
                with self.subTest(behaviour=behaviour, total=total):
                    result = self.pull(behaviour, "--page-size", PAGE, total=total)
                    self.assert_complete(result, range(250))

    def test_those_that_are_less_than_a_page_of_the_servers_lose_nothing(self):
        for behaviour in STYLES:
            for total in (0, 10):
                with self.subTest(behaviour=behaviour, total=total):
                    self.assert_complete(self.pull(behaviour, total=total), range(250))

    def test_those_that_are_not_reached_are_told(self):
        for behaviour in STYLES:
            for total in (251, 12345, 2**63 - 1, 2**63, 2**64 - 1):
                for in_flight in (1, 16):
                    with self.subTest(behaviour=behaviour, total=total, in_flight=in_flight):
                        result = self.pull(behaviour, "--max-in-flight", in_flight, total=total)
                        self.assert_cut_short(result, "count_mismatch", "250", ids=range(250))
                        patience = 10  # empty pages, where the total says that there is more
                        self.assertLessEqual(len(result.log), 14 + patience + in_flight)

    def test_those_that_fall_and_were_not_reached_are_told(self):
        for behaviour in ("offset", "page_number", "cursor", "next_url", "link"):
            with self.subTest(behaviour=behaviour):
                result = self.pull(behaviour, total="shrink")
                self.assert_cut_short(result, "list_changed", "from 500 to 250", ids=range(250))

    def test_those_of_a_chain_that_ends_early(self):
        for behaviour in ("cursor", "next_url", "link"):
            with self.subTest(behaviour=behaviour):
                result = self.pull(behaviour, total="fall", stop=100)
                self.assert_cut_short(result, "list_changed", "from 250 to 100", ids=range(100))
                result = self.pull(behaviour, total="fall", stop=250)
                self.assert_complete(result, range(250))

    def test_next_gone_at_10000_of_12345(self):
        for behaviour in ("cursor", "next_url", "link"):
            with self.subTest(behaviour=behaviour):
                result = self.pull(behaviour, "--page-size", 100, records=12345, total="exact",
                                   stop=10000)
                self.assert_cut_short(result, "count_mismatch", "12345", "10000",
                                      ids=range(10000))

    def test_a_ceiling_is_told(self):
        for behaviour in ("offset", "page_number"):
            for in_flight in (1, 16):
                with self.subTest(behaviour=behaviour, in_flight=in_flight):
                    result = self.pull(behaviour, "--page-size", 100, "--max-in-flight", in_flight,
                                       records=5000, total="exact", ceiling=1000)
                    self.assert_cut_short(result, "server_ceiling", "422", "5000", "1000",
                                          ids=range(1000))
                    self.assertLessEqual(len(result.log), 11 + max(in_flight, 2))


LINKS = [
    ['Link: <{next}>; rel="next"'],
    ["link: <{next}>;rel=next"],
    ["LINK: <{next}>; REL=NEXT"],
    ['Link: <{first}>; rel="first", <{next}>; rel="next", <{first}>; rel="last"'],
    ["Link: <{first}>; rel=first", "Link: <{next}>; rel=next", "Link: <{first}>; rel=last"],
    ['Link: <{next}>; rel="last next"'],
    ['Link: <{next}>; title="a, b; rel=\\"prev\\", <c>"; rel="next"'],
    ['Link: <{first}>; title="rel=next"; rel=prev, <{next}> ; type="x" ; rel = "next"'],
    ['Link: <?{query}>; rel="next"'],
    ['Link: <http://127.0.0.1:{home}{next}>; rel="next"'],
    ['Link: <HTTP://127.0.0.1:{home}{next}>; rel="next"'],
    ['Link: <//127.0.0.1:{home}{next}>; rel="next"'],
    ['Link: <{next}&fields=a,b;c,d>; rel="next"'],
    ['Link: <{first}>; rel="next"; anchor="/other", <{next}>; rel="next"'],
    ['Link: ,, <{next}>; rel="next" ,'],
    ['Link: nonsense', 'Link: <{next}>; rel="next"'],
    ['Link: <{first}>; rel="prev"; rel="next", <{next}>; rel="next"'],
    ["Link: <{first}>; rel=nextish, <{next}>; rel=next"],
    ["Link: <{next}>; rel*=UTF-8''next; rel=next"],
    ["Link: <{next}>; rel='next'"],
    ['Link: {first}; rel="first", <{next}>; rel="next"'],
]
MALFORMED_LINKS = [
    'Link: {next}; rel="next"',
    'Link: {next}; rel=Next',
    'Link: <{next}; rel="next"',
    'Link: &lt;{next}&gt;; rel="next"',
    'Link: "<{next}>"; rel="next"',
    'Link: <{first}>; rel="first"; <{next}>; rel="next"',
    'Link: <{first}>; rel="first" <{next}>; rel="next"',
    'Link: <{first}>; rel="first, <{next}>; rel="next"',
]


class Links(Hostile):
    def test_the_next_one_is_found_in_all_forms(self):
        for form in LINKS:
            with self.subTest(form=form):
                self.assert_complete(self.pull("link", form=form, records=50), range(50))

    def test_what_is_about_something_else_is_no_next(self):
        for form in ('Link: <{next}>; rel="next"; anchor="#x"', 'Link: <{next}>; rel="prev"',
                     'Link: <{next}>; title="next"', "Link: {next}; rel=prev", "X-Link: <{next}>",
                     'Link: <{next}>; rel="http://x/next"', "Link: <{next}>; rev=next",
                     'Link: <{next}>; title="<{next}>; rel=\\"next\\""; rel=prev'):
            with self.subTest(form=form):
                self.assert_complete(self.pull("link", form=form), range(20))

    def test_a_next_one_that_cannot_be_read_is_told(self):
        for form in MALFORMED_LINKS:
            with self.subTest(form=form):
                self.assert_cut_short(self.pull("link", form=form), "page_failed", "page 1",
                                      "malformed", ids=range(20))


class Keysets(Hostile):
    def check(self, **query):
        result = self.pull("keyset", "--paginate", "keyset", "--key", "/key", "--page-size", PAGE,
                           **query)
        expected = [str(i) for i in range(query.get("records", 250))]
        self.assert_complete(result, sorted(expected))

    def test_unique_keys(self):
        for first in (1, 2**53 + 1, 2**63 - 100, 2**64 - 300, 2**64 - 100, 10**30):
            for op in ("gt", "ge"):
                with self.subTest(first=first, op=op):
                    self.check(first=first, op=op)
        self.check(op="gt", records=200)
        self.check(op="ge", records=200)

    def test_ties_at_the_boundary(self):
        for ties in (2, 7, 19):
            with self.subTest(ties=ties):
                self.check(op="ge", ties=ties)

    def test_a_list_that_falls(self):
        self.check(order="down", op="lt")

    def test_a_list_that_is_sorted_the_other_way_is_told(self):
        for op, why in (("gt", "/key = 250"), ("ge", "repeats page 1")):
            with self.subTest(op=op):
                result = self.pull("keyset", "--paginate", "keyset", "--key", "/key", order="down",
                                   op=op)
                self.assert_cut_short(result, "loop", "page 2", why,
                                      ids=sorted(str(i) for i in range(230, 250)))

    def test_more_ties_than_a_page_has_room_for_are_told(self):
        result = self.pull("keyset", "--paginate", "keyset", "--key", "/key", "--page-size", PAGE,
                           op="ge", ties=PAGE + 5)
        self.assert_cut_short(result, "loop", "/key")


class ChangingLists(Hostile):
    """The server counts what the list had all the time."""

    def check_seams(self, **query):
        """Reads lists that change; how they ended."""
        outcomes = set()
        for in_flight in (1, 8):
            for seed in range(6):
                with self.subTest(in_flight=in_flight, seed=seed, **query):
                    result = self.pull("changing", "--seam-check", "/id", "--page-size", PAGE,
                                       "--max-in-flight", in_flight, most=5, **query)
                    outcomes.add(result.stats["outcome"])
                    if result.stats["outcome"] != "list_changed":
                        self.assertEqual(set(result.always) - set(result.ids), set())
        return outcomes

    def test_rows_that_come_in_lose_nothing_or_are_told(self):
        outcomes = self.check_seams(change="insert")
        self.assertIn("complete", outcomes)
        self.assertLessEqual(outcomes, {"complete", "list_changed"})

    # A short page whose seam is torn is judged by the place of its rest; and a search for the last
    # record that was read may come to the end of the list, which is then called complete.
    def test_rows_that_go_away_lose_nothing_or_are_told(self):
        for total in ([], ["exact"]):
            outcomes = self.check_seams(change="delete", total=total)
            self.assertIn("complete", outcomes)
            self.assertLessEqual(outcomes, {"complete", "list_changed"})

    def test_rows_that_came_in_at_the_front_are_missing_from_a_total(self):
        self.assertLessEqual(self.check_seams(change="insert", total="exact"),
                             {"complete", "list_changed", "count_mismatch"})

    def test_a_list_that_changes_too_much_is_told(self):
        result = self.pull("changing", "--seam-check", "/id", "--page-size", 5, "--max-in-flight",
                           1, change="delete", most=200, times=3, records=700)
        if set(result.always) - set(result.ids):
            self.assert_cut_short(result, "list_changed", "offset")

    def test_records_that_come_again_are_dropped(self):
        dropped = 0
        for seed in range(3):
            result = self.pull("changing", "--unique", "/id", "--page-size", PAGE,
                               "--max-in-flight", 1, change="insert")
            self.assertEqual((result.status, result.stderr), (0, ""))
            self.assertEqual(set(result.always) - set(result.ids), set())
            dropped += result.stats["duplicates"]
        self.assertGreater(dropped, 0)


class Transport(Hostile):
    """A page that is not whole is fetched again and delivered once."""

    def each_page_fails_once(self, *faults):
        for fault in faults:
            for behaviour, records in (("offset", 250), ("next_url", 40)):
                with self.subTest(fault=fault, behaviour=behaviour):
                    result = self.pull(behaviour, "--retries", 20, "--page-size", PAGE,
                                       quota=(100, 1), fault=fault, records=records, total="exact")
                    self.assert_complete(result, range(records))
                    pages = -(-records // PAGE)
                    self.assertLessEqual(len(result.log), 2 * pages + 2)
                    self.assertGreaterEqual(result.stats["retries"], pages)

    def test_bodies_that_are_cut(self):
        self.each_page_fails_once("cut_with_length", "cut_without_length", "cut_in_chunk",
                                  "cut_before_last_chunk", "gzip_cut", "half_json")

    def test_connections_that_break(self):
        self.each_page_fails_once("reset_in_headers", "reset_in_body", "close_in_headers")

    def test_answers_that_are_no_pages(self):
        self.each_page_fails_once("html", "status_500", "status_503")

    def test_successes_that_are_no_pages(self):
        self.each_page_fails_once("error_in_200", "accepted", "accepted_list")

    def test_successes_that_are_never_pages_are_told(self):
        for fault, why in (("error_in_200", "timeout"), ("accepted", "status 202"),
                           ("accepted_list", "status 202")):
            for behaviour in ("offset", "cursor"):
                with self.subTest(fault=fault, behaviour=behaviour):
                    result = self.pull(behaviour, "--retries", 1, fault=fault,
                                       fault_every="always")
                    self.assert_cut_short(result, "page_failed", why, ids=[])

    def test_connections_that_break_before_an_answer(self):
        self.each_page_fails_once("reset_at_once", "close_at_once", "close_in_status_line")

    def test_bodies_with_a_bad_checksum_or_encoding(self):
        self.each_page_fails_once("gzip_bad_crc", "gzip_bad_data", "gzip_in_name_only",
                                  "gzip_with_something_behind")

    def test_answers_that_are_not_http(self):
        self.each_page_fails_once("garbage", "other_protocol")

    def test_connections_that_are_closed_between_requests_cost_nothing(self):
        for behaviour in STYLES:
            with self.subTest(behaviour=behaviour):
                result = self.pull(behaviour, quota=(100, 1), fault="close_when_idle",
                                   fault_every="always")
                self.assert_complete(result, range(250))

    def end_at_each_byte(self, **options):
        for how in ("close", "reset"):
            for form in ({}, {"framing": "chunked"}, {"framing": "close"}, {"zip": 1}):
                with self.subTest(how=how, form=form):
                    result = self.pull("offset", "--page-size", 1, "--retries", 1000, records=220,
                                       fault=f"{how}_at_each_byte", **form, **options)
                    self.assert_complete(result, range(220))
                    self.assertGreater(result.stats["retries"], 60)

    def test_whatever_the_byte_at_which_a_response_ends(self):
        self.end_at_each_byte(counted=False)

    def test_whatever_the_byte_at_which_a_response_ends_the_retry_is_paid_for(self):
        self.end_at_each_byte()

    def test_a_drip_is_ended_by_the_deadline(self):
        for fault in ("drip_slow", "drip_fast", "drip_headers"):
            with self.subTest(fault=fault):
                result = self.pull("offset", "--timeout", "700ms", "--retries", 0,
                                   fault=fault, fault_every="always")
                self.assert_cut_short(result, "page_failed", "offset 0", "timed out", ids=[])
                result = self.pull("offset", "--timeout", "700ms", records=PAGE,
                                   fault=fault, total="exact")
                self.assert_complete(result, range(PAGE))
                self.assertGreaterEqual(result.stats["retries"], 1)

    def test_a_server_that_breaks_down_is_left_alone(self):
        for in_flight in (1, 16, 64):
            with self.subTest(in_flight=in_flight):
                result = self.pull("broken_later", "--page-size", PAGE, "--retries", 3,
                                   "--max-in-flight", in_flight, records=2000, total="exact",
                                   broken_from=800)
                self.assert_cut_short(result, "page_failed", "offset 800", "500", ids=range(800))
                self.assertEqual(result.stats["pages"], 40)
                self.assertLessEqual(len(result.log), 100 + 2 * 3 + 100 // 10)
                self.assertLessEqual(result.stats["retries"], 2 * 3 + 40 // 10)


ELSEWHERE = [
    "http://127.0.0.1:{foreign}/x",
    "http://127.0.0.1:{foreign}{next}",
    "//127.0.0.1:{foreign}/x",
    "///127.0.0.1:{foreign}/x",
    "http:///127.0.0.1:{foreign}/x",
    "http:/127.0.0.1:{foreign}/x",
    "http:127.0.0.1:{foreign}/x",
    "http://127.0.0.1:{home}@127.0.0.1:{foreign}/x",
    "http://127.0.0.1@127.0.0.1:{foreign}/x",
    "http://127.0.0.1:{home}%40127.0.0.1:{foreign}/x",
    "http://user:word@127.0.0.1:{home}/x",
    "http://user:word@127.0.0.1:{foreign}/x",
    "http://127.0.0.1:{foreign}#@127.0.0.1:{home}/x",
    "http://127.0.0.1:{foreign}?@127.0.0.1:{home}/x",
    "http://127.0.0.1:{foreign}\\@127.0.0.1:{home}/x",
    "http:\\\\127.0.0.1:{foreign}\\x",
    "\\\\127.0.0.1:{foreign}\\x",
    "/\\127.0.0.1:{foreign}/x",
    "http://localhost:{foreign}/x",
    "http://2130706433:{foreign}/x",
    "http://0x7f.1:{foreign}/x",
    "http://[::ffff:127.0.0.1]:{foreign}/x",
    "http://127.0.0.1:{home}.example.invalid/x",
    "http://127.0.0.1.example.invalid:{home}/x",
    "https://127.0.0.1:{home}/x",
    "HTTPS://127.0.0.1:{foreign}/x",
    "hTTp://127.0.0.1:{foreign}/x",
    "ws://127.0.0.1:{foreign}/x",
    "ftp://127.0.0.1:{foreign}/x",
    "gopher://127.0.0.1:{foreign}/_x",
    "dict://127.0.0.1:{foreign}/x",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "javascript:alert(1)",
    "data:application/json,{}",
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:99999/x",
    "http://127.0.0.1:{foreign}x/x",
    "http://",
    " http://127.0.0.1:{foreign}/x",
    "http://127.0.0.1 :{foreign}/x",
]
WITH_CONTROLS = [
    "\thttp://127.0.0.1:{foreign}/x",
    "ht\ttp://127.0.0.1:{foreign}/x",
    "http://127.0.0.1:\t{foreign}/x",
    "\nhttp://127.0.0.1:{foreign}/x",
    "http://127.0.0.1:{foreign}\n/x",
    "//127.0.0.1:{foreign}/x\r\nX-Evil: 1",
    "{next}\r\nX-Evil: 1",
    "/x\0y",
]
SECRETS = ["--header", "Authorization: Bearer s3cret", "--header", "X-Api-Key: s3cret", "--header",
           "Cookie: session=s3cret"]


class Origins(Hostile):
    """Where the server sends the client, and what reaches the second port."""

    def pull_away(self, *arguments, **query):
        before = len(ask("/foreign"))
        result = self.pull("lead", *arguments, *SECRETS, "--retries", 0, counted=False, **query)
        result.foreign = ask("/foreign")[before:]
        return result

    def assert_refused(self, result, ids):
        """Where a strange URL means a path of the same server, that answers 404."""
        self.assertEqual(result.foreign, [])
        self.assertIn(result.stats["outcome"], ("foreign_origin", "page_failed", "server_ceiling"))
        self.assert_one_line(result, 1)
        # Behind a 404 within a list there may be more.
        missing = range(len(ids), len(ids) + PAGE)
        self.assertEqual(sorted(each for each in result.ids if each < missing.stop), list(ids))
        for evil in ("Evil", "root:"):
            self.assertNotIn(evil, json.dumps([request["headers"] for request in result.log]))

    def test_next_urls_that_lead_away_are_refused(self):
        for target in ELSEWHERE + WITH_CONTROLS:
            with self.subTest(target=target):
                self.assert_refused(self.pull_away("--paginate", "next", to=target), range(PAGE))

    def test_links_that_lead_away_are_refused(self):
        for target in ELSEWHERE:
            with self.subTest(target=target):
                result = self.pull_away("--paginate", "link", to=target, **{"in": "link"})
                self.assert_refused(result, range(PAGE))

    def test_redirects_that_lead_away_are_refused(self):
        for target in ELSEWHERE:
            for when in (0, 2):
                with self.subTest(target=target, when=when):
                    result = self.pull_away("--max-in-flight", 1, "--page-size", PAGE, to=target,
                                            when=when, total="exact", **{"in": "redirect"})
                    self.assert_refused(result, range(when * PAGE))

    def test_plain_cases_are_named(self):
        for target in ("http://127.0.0.1:{foreign}/x", "//127.0.0.1:{foreign}/x",
                       "https://127.0.0.1:{home}/x", "HTTPS://127.0.0.1:{home}/x",
                       "file:///etc/passwd", "gopher://127.0.0.1:{foreign}/_x",
                       "http://127.0.0.1:{home}@127.0.0.1:{foreign}/x",
                       "http://user:word@127.0.0.1:{home}/x"):
            with self.subTest(target=target):
                result = self.pull_away("--paginate", "next", to=target)
                self.assert_cut_short(result, "foreign_origin", "page 1", "refused")
                self.assertNotIn("word", result.stderr)

    def assert_no_secrets(self, result, requests):
        seen = [request for connection in result.foreign for request in connection["requests"]]
        self.assertEqual(len(seen), requests)
        for request in seen:
            names = {name.lower() for name, _ in request["headers"]}
            self.assertEqual(names & {"authorization", "x-api-key", "cookie", "referer"}, set())
            for secret in ("s3cret", "user", "word"):
                self.assertNotIn(secret, json.dumps(request))

    def test_an_origin_that_is_allowed_gets_no_secrets(self):
        allowed = ["--allow-origin", f"http://127.0.0.1:{PORTS['foreign']}"]
        away = "http://127.0.0.1:{foreign}"
        home = {"authority": "user:word@127.0.0.1", "records": 40}
        result = self.pull_away("--paginate", "next", *allowed, to=away + "{next}", **home)
        self.assert_complete(result, range(40))
        self.assert_no_secrets(result, 1)
        result = self.pull_away("--paginate", "link", *allowed, to=away + "{next}", **home,
                                **{"in": "link"})
        self.assert_complete(result, range(40))
        self.assert_no_secrets(result, 1)
        result = self.pull_away("--paginate", "next", *allowed, to=away + "{here}", when=0,
                                authority="user:word@127.0.0.1", **{"in": "redirect"})
        self.assert_complete(result, range(PAGE))
        self.assert_no_secrets(result, 1)
        result = self.pull_away("--paginate", "next", *allowed, "--data", '{"key": "s3cret"}',
                                to=away + "{next}", **home)
        self.assert_no_secrets(result, 1)
        result = self.pull_away("--paginate", "next", *allowed, **home,
                                to="http://user:word@127.0.0.1:{foreign}{next}")
        self.assert_refused(result, range(PAGE))

    def test_at_home_all_requests_have_the_secrets(self):
        result = self.pull_away("--paginate", "next", authority="user:word@127.0.0.1", records=40,
                                to="http://127.0.0.1:{home}{next}")
        self.assert_complete(result, range(40))
        for request in result.log:
            headers = {name.lower(): value for name, value in request["headers"]}
            self.assertEqual(headers["x-api-key"], "s3cret")
            self.assertEqual(headers["authorization"], "Bearer s3cret")

    def test_other_spellings_of_home_are_home(self):
        for target in ("http://LOCALHOST:{home}{next}", "HTTP://localhost:{home}{next}",
                       "//localhost:{home}{next}", "http://localhost:0{home}{next}",
                       "http://loc%61lhost:{home}{next}", "{next}", "{next}#part"):
            with self.subTest(target=target):
                result = self.pull("lead", "--paginate", "next", authority="localhost", to=target,
                                   records=40)
                self.assert_complete(result, range(40))

    def test_redirects_at_home_are_followed_and_paid_for(self):
        for status in (301, 302, 303, 307, 308):
            for behaviour in ("offset", "page"):
                with self.subTest(status=status, behaviour=behaviour):
                    hops = 1 + (status == 302) * 4
                    result = self.pull("moved", "--page-size", PAGE, quota=(100, 1), hops=hops,
                                       status=status, records=60, total="exact")
                    self.assert_complete(result, range(60))
                    self.assertEqual(len(result.log) % (hops + 1), 0)
                    self.assertGreaterEqual(result.stats["retries"], 0)

    def test_redirects_in_a_circle_end(self):
        for target in ("{here}", "{here}&x=1"):
            result = self.pull("lead", to=target, when=0, **{"in": "redirect"})
            self.assert_cut_short(result, "bound_exceeded", "offset 0", "redirects", ids=[])
            self.assertEqual(len(result.log), 6)
        result = self.pull("moved", hops=1000)
        self.assert_cut_short(result, "bound_exceeded", "offset 0", "redirects", ids=[])


class Bounds(Hostile):
    MOST = 10_000_000
    KINDS = ["gzip", "gzip twice", "arrays", "open arrays", "objects", "many headers"]

    def peak_memory(self, behaviour, *arguments, **query):
        """Bytes that the program had at most, and how it ended."""
        stats = self.directory / "stats.json"
        process = self.start(self.url(behaviour, **query), "--rate", UNLIMITED, "--max-page-bytes",
                             self.MOST, "--output", self.directory / "records", "--stats", stats,
                             *arguments)
        deadline = threading.Timer(LONGEST / 2, process.kill)
        deadline.start()
        _, status, used = os.wait4(process.pid, 0)
        deadline.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertIn(process.returncode, (0, 1), "killed, because it took too long")
        return used.ru_maxrss * 1024, json.loads(stats.read_text())

    def check_monsters(self, *kinds):
        for kind in kinds:
            for when in (0, 100):
                with self.subTest(kind=kind, when=when):
                    result = self.pull("monstrous", "--page-size", PAGE, "--max-page-bytes",
                                       self.MOST, "--retries", 1, kind=kind, when=when,
                                       total="exact")
                    self.assert_cut_short(result, "bound_exceeded", f"offset {when}")
                    self.assertEqual([i for i in sorted(result.ids) if i < when],
                                     list(range(when)))

    def test_monsters_are_refused_and_other_pages_delivered(self):
        self.check_monsters(*self.KINDS)

    def test_a_header_field_of_a_megabyte_is_refused(self):
        self.check_monsters("long header")

    @unittest.skipUnless(MEASURES, "says nothing under a sanitizer")
    def test_monsters_cost_little_memory(self):
        for kind in self.KINDS:
            with self.subTest(kind=kind):
                peak, stats = self.peak_memory("monstrous", kind=kind, when=0)
                self.assertEqual(stats["outcome"], "bound_exceeded")
                self.assertLess(peak, 8 * self.MOST)

    def test_a_page_of_the_smallest_records(self):
        peak, stats = self.peak_memory("tiny_records", "--paginate", "next",
                                       bytes=self.MOST - 100)
        self.assertEqual(stats["outcome"], "complete", stats)
        self.assertEqual(stats["records"], (self.MOST - 100) // 3)
        if MEASURES:
            self.assertLess(peak, 32 * self.MOST)


class Speed(Hostile):
    @unittest.skipUnless(MEASURES, "says nothing under a sanitizer")
    def test_an_unknown_end_costs_hardly_any_time(self):
        best = {}
        for _ in range(3):
            for total in ("exact", None):
                result = self.pull("offset", "--page-size", 1, "--max-in-flight", 64, records=2000,
                                   latency=0.05, total=[total] if total else [])
                self.assert_complete(result, range(2000))
                self.assertLessEqual(len(result.log), 2000 + 64)
                best[total] = min(result.stats["elapsed_s"], best.get(total, 1e9))
        self.assertLess(best[None], 1.15 * best["exact"], best)


if __name__ == "__main__":
    unittest.main()
