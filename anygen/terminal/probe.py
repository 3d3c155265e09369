"""Questions to a terminal: does it draw pixels, and how wide are its characters?"""

from __future__ import annotations

import os
import re
import select
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

if sys.platform != "win32":
    import fcntl
    import termios
    import tty

PATIENCE = 0.1  # seconds for the whole answer
NARROW = 6  # pixels: xterm's smallest usual font is 6x13

# A one-pixel picture that is not to be shown; then the primary device attributes, which every
# terminal answers, so that the end of waiting is known. Terminals that do not know the first
# ignore it, as they should, or print it: hence the cleared line.
# https://sw.kovidgoyal.net/kitty/graphics-protocol/#querying-support-and-available-transmission-mediums
QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
CLEAR_LINE = "\r\x1b[K"
KITTY = re.compile(rb"\x1b_Gi=31;(.*?)\x1b\\", re.DOTALL)
# DA1: the first parameter is the class of the terminal, each other is something that it can do.
# https://vt100.net/docs/vt510-rm/DA1.html
ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
SIXEL = b"4"
ESCAPE = b"\x1b"


def find_pixel_graphics(stream_in: TextIO, stream_out: TextIO) -> str | None:
    """`kitty` or `sixel` if the terminal says that it has them within PATIENCE, or None.

    Both streams must be the terminal's. What was typed meanwhile is kept for prompt_toolkit.
    """
    said = ask(stream_in, stream_out) if sys.platform != "win32" else b""
    kitty, attributes = KITTY.search(said), ATTRIBUTES.search(said)
    typed, *_ = ATTRIBUTES.sub(b"", KITTY.sub(b"", said)).split(ESCAPE)  # or half an answer
    keep_typed(typed.decode(errors="replace"), stream_in)
    if kitty and kitty[1] == b"OK":
        return "kitty"
    if attributes and SIXEL in attributes[1].split(b";")[1:]:
        return "sixel"
    return None


def ask(stream_in: TextIO, stream_out: TextIO) -> bytes:
    """All that came from the terminal until its attributes did or PATIENCE was over."""
    with unbuffered(stream_in.fileno()) as descriptor:
        stream_out.write(QUESTION)
        stream_out.flush()
        said = listen(descriptor, time.monotonic() + PATIENCE)
        stream_out.write(CLEAR_LINE)
        stream_out.flush()
    return said


@contextmanager
def unbuffered(descriptor: int) -> Iterator[int]:
    """Bytes come as they are typed and unseen, as terminals answer; afterwards all is as before."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSANOW)  # the usual TCSAFLUSH drops what was typed
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


def listen(descriptor: int, deadline: float) -> bytes:
    said = b""
    while not ATTRIBUTES.search(said):
        remaining = max(0.0, deadline - time.monotonic())
        if not select.select([descriptor], [], [], remaining)[0]:
            break
        heard = os.read(descriptor, 1024)
        if not heard:
            break
        said += heard
    return said


def keep_typed(text: str, stream_in: TextIO) -> None:
    """The next prompt_toolkit prompt on `stream_in` begins with these keys."""
    if not text:
        return
    from prompt_toolkit.input import create_input
    from prompt_toolkit.input.typeahead import store_typeahead
    from prompt_toolkit.input.vt100_parser import Vt100Parser
    from prompt_toolkit.key_binding import KeyPress

    keys: list[KeyPress] = []
    parser = Vt100Parser(keys.append)
    parser.feed(text)
    parser.flush()
    store_typeahead(create_input(stream_in), keys)


def column_pixels(terminal: int = 1) -> int:
    """The width of a character in pixels; NARROW where the file `terminal` does not tell."""
    if sys.platform == "win32":
        return NARROW
    try:
        size = fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8))
    except OSError:  # no terminal
        return NARROW
    _, columns, width, _ = struct.unpack("4H", size)  # rows, columns, pixels across, pixels down
    return width // max(columns, 1) or NARROW
