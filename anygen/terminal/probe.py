"""Queries a terminal: whether it draws pixels, and how wide its characters are."""

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

TIMEOUT = 0.1  # seconds for the whole reply; None waits for it
NARROW = 6  # pixels: the smallest usual font of xterm is 6x13

# Queries about a one-pixel picture, the name of the terminal, and its primary device attributes:
# every terminal answers the last one, which marks the end of the reply. Terminals that do not know
# the others ignore them, as they should, or print them: hence the cleared line.
# https://sw.kovidgoyal.net/kitty/graphics-protocol/#querying-support-and-available-transmission-mediums
# https://invisible-island.net/xterm/ctlseqs/ctlseqs.html (XTVERSION)
QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[>0q\x1b[c"
CLEAR_LINE = "\r\x1b[K"
KITTY = re.compile(rb"\x1b_Gi=31;(.*?)\x1b\\", re.DOTALL)
NAME = re.compile(rb"\x1bP>\|(.*?)\x1b\\", re.DOTALL)
ITERM_NAMES = (b"iTerm2", b"WezTerm")
# DA1: the first parameter is the class of the terminal, the others are its capabilities.
# https://vt100.net/docs/vt510-rm/DA1.html
ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
SIXEL = b"4"
ESCAPE = b"\x1b"


def find_pixel_graphics(
    stream_in: TextIO,
    stream_out: TextIO,
    expected: str | None = None,
    timeout: float | None = TIMEOUT,
) -> str | None:
    """`iterm`, `kitty` or `sixel` if the terminal reports support in time, else None.

    A terminal whose environment makes one expect `iterm` has it, unless it reports another name:
    programs in a multiplexer inherit the environment of the terminal around it. Both streams must
    be the terminal's. Keys typed meanwhile are kept for prompt_toolkit.
    """
    reply = query(stream_in, stream_out, timeout) if sys.platform != "win32" else b""
    kitty, name, attributes = (r.search(reply) for r in (KITTY, NAME, ATTRIBUTES))
    # A reply that was cut off starts with ESCAPE, too.
    typed, *_ = ATTRIBUTES.sub(b"", NAME.sub(b"", KITTY.sub(b"", reply))).split(ESCAPE)
    keep_typed(typed.decode(errors="replace"), stream_in)
    if name[1].startswith(ITERM_NAMES) if name else expected == "iterm":
        return "iterm"
    if kitty and kitty[1] == b"OK":
        return "kitty"
    if attributes and SIXEL in attributes[1].split(b";")[1:]:
        return "sixel"
    return None


def query(stream_in: TextIO, stream_out: TextIO, timeout: float | None) -> bytes:
    """All bytes from the terminal until its attributes have come or the time is over."""
    with unbuffered(stream_in.fileno()) as descriptor:
        stream_out.write(QUESTION)
        stream_out.flush()
        reply = read_reply(descriptor, timeout)
        stream_out.write(CLEAR_LINE)
        stream_out.flush()
    return reply


@contextmanager
def unbuffered(descriptor: int) -> Iterator[int]:
    """Bytes arrive at once and are not echoed; afterwards the terminal is as it was before."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSANOW)  # the default TCSAFLUSH would drop typed keys
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


def read_reply(descriptor: int, timeout: float | None) -> bytes:
    reply, start = b"", time.monotonic()
    while not ATTRIBUTES.search(reply):
        remaining = timeout and max(0.0, start + timeout - time.monotonic())
        if not select.select([descriptor], [], [], remaining)[0]:
            break
        data = os.read(descriptor, 1024)
        if not data:
            break
        reply += data
    return reply


def keep_typed(text: str, stream_in: TextIO) -> None:
    """The next prompt of prompt_toolkit on `stream_in` receives these keys first."""
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
    """The width of a character in pixels, or NARROW if the descriptor does not report it."""
    if sys.platform == "win32":
        return NARROW
    try:
        size = fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8))
    except OSError:  # not a terminal
        return NARROW
    _, columns, width, _ = struct.unpack("4H", size)  # rows, columns, pixels across, pixels down
    return width // max(columns, 1) or NARROW
