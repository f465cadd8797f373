"""The progress line of `extract`, on a real terminal of any width."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unittest

from support import EXTRACT, Case, start_server

ERASE = "\x1b[J"


class Terminal:
    """What a program writes to a terminal of that many columns, and what then stands on it."""

    def __init__(self, test, columns, *arguments, **environment):
        self.columns = columns
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self.resize(columns, 0)
            variables = {**os.environ, "TERM": "xterm", **environment}
            os.execve(EXTRACT, [EXTRACT, *map(str, arguments)],
                      {name: value for name, value in variables.items() if value is not None})
        self.text, self.status = "", None
        test.addCleanup(self.stop)

    def resize(self, columns, fd=None):
        fcntl.ioctl(self.fd if fd is None else fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))

    def read(self, until=None):
        """To the end, or until what was written fulfils a condition."""
        deadline = time.monotonic() + 60
        while until is None or not until(self.text):
            assert time.monotonic() < deadline, self.text
            if not select.select([self.fd], [], [], 1)[0]:
                continue
            try:
                piece = os.read(self.fd, 65536)
            except OSError:  # the program has ended
                piece = b""
            if not piece:
                self.wait()
                break
            self.text += piece.decode()
        return self

    def wait(self):
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def stop(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        os.close(self.fd)

    def frames(self):
        """The lines that were written one over the other."""
        return re.findall(r"\r([^\r\n\x1b]*)\x1b\[J\r", self.text)

    def screen(self):
        """What stands there at the end, by lines."""
        rows, column = [""], 0
        for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.|\n", self.text.replace("\r\n", "\n"),
                                re.DOTALL):
            if token == "\n":
                rows.append("")
                column = 0
            elif token == "\r":
                column = 0
            elif token == ERASE:
                rows[-1] = rows[-1][:column]
            else:
                assert token.isprintable(), repr(token)
                rows[-1] = rows[-1][:column].ljust(column) + token + rows[-1][column + 1:]
                column += 1
        return rows


class Progress(Case):
    def setUp(self):
        super().setUp()
        self.port = start_server(self, "watched_api.py")
        self.output = self.directory / "records.ndjson"

    def run_on(self, columns, *arguments, path="slow", output=None, **environment):
        return Terminal(self, columns, f"http://127.0.0.1:{self.port}/{path}", "--rate", "20/s",
                        "--page-size", "2", "--output", output or self.output, *arguments,
                        **environment)

    def check_calm(self, terminal, seconds):
        frames = terminal.frames()
        self.assertGreater(len(frames), 3)
        self.assertLess(len(frames), 4 * seconds + 2)
        for frame, next_ in zip(frames, frames[1:]):
            self.assertNotEqual(frame, next_, "written again without need")
        # Nothing else is written, no line break among it: it stays where it is.
        rest = re.sub(r"\r[^\r\n\x1b]*\x1b\[J\r", "", terminal.text)
        self.assertEqual(rest, "\r" + ERASE)
        self.assertEqual(terminal.screen(), [""])

    def test_it_fits_any_width_and_goes_when_the_run_has_ended(self):
        for columns in [200, 80, 60, 41, 20, 5, 2]:
            with self.subTest(columns=columns):
                begin = time.monotonic()
                terminal = self.run_on(columns, "--max-pages", "20").read()
                self.assertEqual(terminal.status, 1)
                said = "extract: stopped after 20 pages, the most allowed\r\n"
                self.assertTrue(terminal.text.endswith(said), terminal.text)
                terminal.text = terminal.text.removesuffix(said)
                frames = terminal.frames()
                self.assertLess(max(map(len, frames)), columns)
                if columns > 2:
                    self.check_calm(terminal, time.monotonic() - begin)
                for frame in frames:
                    if columns >= 41:
                        # Whole parts, the most important of them.
                        self.assertRegex(frame, r"^\d+( of 400)? records(, [^,]+)*$")
                        self.assertRegex(frame, r"(records|left|20/s|in flight|pages|retries)$")
                if columns == 200:
                    self.assertRegex(frames[-1], r"^\d+ of 400 records, 0:\d\d left, \d+ requests "
                                     r"in 0:\d\d at 20/s, \d+ in flight, \d+ pages, 0 retries$")

    def test_a_terminal_of_unknown_width_has_80_columns(self):
        terminal = self.run_on(0, "--max-pages", "10").read()
        self.assertLess(max(map(len, terminal.frames())), 80)
        self.assertGreater(max(map(len, terminal.frames())), 40)

    def test_it_follows_the_width(self):
        terminal = self.run_on(120, "--max-pages", "80")
        terminal.read(until=lambda text: text.count(ERASE) >= 4)
        self.assertGreater(len(terminal.frames()[-1]), 70)
        terminal.resize(40)
        terminal.text = ""
        terminal.read(until=lambda text: text.count(ERASE) >= 6)
        late = terminal.frames()[1:]  # one may have been on its way
        self.assertLess(max(map(len, late)), 40)
        terminal.resize(120)
        terminal.text = ""
        terminal.read(until=lambda text: text.count(ERASE) >= 6)
        self.assertGreater(len(terminal.frames()[-1]), 70)
        terminal.read()
        self.assertEqual(terminal.status, 1)

    def test_there_are_no_colours(self):
        for environment in [{}, {"NO_COLOR": "1"}, {"TERM": "xterm-256color"}]:
            with self.subTest(environment=environment):
                terminal = self.run_on(80, "--max-pages", "10", **environment).read()
                self.assertGreater(len(terminal.frames()), 1)
                self.assertEqual(set(re.findall(r"\x1b\[[^A-Za-z]*[A-Za-z]", terminal.text)),
                                 {ERASE})

    def test_it_is_quiet_where_it_has_no_place(self):
        for arguments, environment in [([], {"TERM": "dumb"}), ([], {"TERM": None}),
                                       ([], {"TERM": ""}), (["--no-progress"], {})]:
            with self.subTest(arguments=arguments, environment=environment):
                terminal = self.run_on(80, "--max-pages", "10", *arguments, **environment).read()
                self.assertEqual(terminal.text,
                                 "extract: stopped after 10 pages, the most allowed\r\n")
        with self.subTest("records on the same terminal"):
            terminal = self.run_on(80, "--max-pages", "10", output="-").read()
            self.assertNotIn("\x1b", terminal.text)
            self.assertEqual(terminal.text.count('{"id"'), 20)

    def test_a_short_run_shows_none(self):
        for _ in range(20):
            begin = time.monotonic()
            terminal = self.run_on(80, "--max-pages", "1", path="evil").read()
            if time.monotonic() - begin < 0.25:  # before the first is due
                self.assertNotIn("\x1b", terminal.text)
                return
        self.skipTest("no run was short on this machine")

    def test_an_interrupt_leaves_only_what_is_said(self):
        terminal = self.run_on(80)
        terminal.read(until=lambda text: text.count(ERASE) >= 3)
        os.write(terminal.fd, b"\x03")  # as the key does
        terminal.read()
        self.assertEqual(terminal.status, 130)
        self.assertRegex(terminal.screen()[-2], r"^extract: interrupted after \d+ records$")
        self.assertEqual(terminal.screen()[-1], "")
        self.assertEqual(len(terminal.screen()), 2)

    def test_in_the_background_it_waits(self):
        terminal = Terminal.__new__(Terminal)
        terminal.pid, terminal.fd = pty.fork()
        if terminal.pid == 0:
            # A shell whose job runs in a process group that is not the terminal's.
            job = os.fork()
            if job == 0:
                os.setpgid(0, 0)
                os.execve(EXTRACT, [EXTRACT, f"http://127.0.0.1:{self.port}/slow", "--rate", "20/s",
                                    "--page-size", "2", "--output", str(self.output),
                                    "--max-pages", "20"], {**os.environ, "TERM": "xterm"})
            os._exit(os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]))
        terminal.text, terminal.status = "", None
        self.addCleanup(terminal.stop)
        terminal.read()
        self.assertEqual(terminal.text, "extract: stopped after 20 pages, the most allowed\r\n")


if __name__ == "__main__":
    unittest.main()
