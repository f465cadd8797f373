"""A real browser without a window: what it makes of a page, as text and as a picture."""
import collections
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import zlib

CHROMIUM = shutil.which("chromium")


def run(page, *arguments, width=1180, height=1700):
    """Shows a file; gives what the browser writes to standard output."""
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                   "--no-first-run", "--disable-background-networking", "--disable-sync",
                   "--disable-component-update", "--disable-extensions", "--disable-dev-shm-usage",
                   "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}",
                   f"--window-size={width},{height}", *arguments, pathlib.Path(page).as_uri()]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   start_new_session=True, env={**os.environ, "HOME": profile})
        try:
            return process.communicate(timeout=120)[0]
        finally:
            # Its helpers are of its session, and have no use for the profile any more.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def dom(page):
    """The page as HTML, after its scripts have run."""
    return run(page, "--dump-dom").decode()


def screenshot(page, file, *arguments, **size):
    """The colours of the page's picture, each with the number of its pixels."""
    run(page, f"--screenshot={file}", *arguments, **size)
    return colours(pathlib.Path(file).read_bytes())


def colours(png):
    """Of a picture of 8 bits a channel that is not interlaced, as browsers write it."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n"), "no PNG"
    place, packed = 8, b""
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        data = png[place + 8:place + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data)
            assert depth == 8 and colour in (2, 6) and not interlaced, (depth, colour, interlaced)
        elif kind == b"IDAT":
            packed += data
        place += 12 + length
    size = {2: 3, 6: 4}[colour]
    raw = zlib.decompress(packed)
    above, found = bytearray(width * size), collections.Counter()
    for row in range(height):
        begin = row * (width * size + 1)
        line = bytearray(raw[begin + 1:begin + 1 + width * size])
        unfilter(raw[begin], line, above, size)
        found.update(bytes(line[i:i + 3]) for i in range(0, len(line), size))
        above = line
    return found


def unfilter(kind, line, above, size):
    if kind == 0:
        return
    for i in range(len(line)):
        left = line[i - size] if i >= size else 0
        up = above[i]
        if kind == 1:
            add = left
        elif kind == 2:
            add = up
        elif kind == 3:
            add = (left + up) // 2
        else:
            corner = above[i - size] if i >= size else 0
            guess = left + up - corner
            add = min((left, up, corner), key=lambda each: abs(guess - each))
        line[i] = (line[i] + add) & 0xff
