"""Completes headers whose sizes were left open because the file was written to a pipe.

A header is written first, and a pipe cannot be rewound to correct it. The sizes in it then are 0,
the largest value of their field, or the most that their writer dares to state, which is somewhat
less than 2 GiB for SoX and espeak-ng. Decoders believe such sizes, or refuse them.

Layouts: RIFF and WAVE (Microsoft, Multimedia Programming Interface 1.0), RF64 and BW64 (ITU-R
BS.2088), AIFF and AIFF-C (Apple, 1991), Sun's AU, animated PNG (W3C, third edition). FLAC, Ogg,
Matroska, WebM and MP4 have values that mean "unknown", which their decoders know.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_CHUNKS = 1_000  # that are looked at; no program writes nearly as many
LIMIT_32 = 2**32 - 1
# SoX stays 2**24 below 2 GiB in an AIFF file and less in others; arecord writes a little more.
GUESSES = (range(2**31 - 2**25, 2**31 + 2**16), range(2**32 - 2**16, 2**32), range(2**62, 2**64))

Patches = dict[int, bytes]  # what to read at an offset instead of what the file has there


@dataclass(frozen=True)
class Layout:
    """Files of chunks: a name of four letters, a size, and data, padded to an even length."""

    order: str  # of bytes, as in `struct`
    samples: bytes  # the name of the chunk that holds the samples
    preamble: int  # bytes of that chunk that precede the samples
    count: bytes  # the name of the chunk that states how many samples there are
    count_offset: int


RIFF = Layout("<", b"data", 0, b"fact", 0)
LAYOUTS = {
    b"RIFF": RIFF,
    b"RF64": RIFF,
    b"BW64": RIFF,
    b"FORM": Layout(">", b"SSND", 8, b"COMM", 2),
}


@dataclass(frozen=True)
class Chunk:
    name: bytes
    begin: int  # the offset of its data; the size stands in the four bytes before
    size: int


def completed(stream: BinaryIO, form: str) -> BinaryIO:
    """The stream, with true sizes where its header leaves them open.

    Raises EOFError if the file is shorter than it states, or empty, which FFmpeg does not report.
    """
    if form not in COMPLETE:
        return stream
    patches = COMPLETE[form](stream, stream.seek(0, os.SEEK_END))
    return io.BufferedReader(PatchedStream(stream, patches)) if patches else stream


class PatchedStream(io.RawIOBase):
    """Reads another stream, with some of its bytes replaced."""

    def __init__(self, stream: BinaryIO, patches: Patches) -> None:
        self.stream, self.patches = stream, patches

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.stream.seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        place = self.stream.tell()
        data = bytearray(self.stream.read(len(view)))
        for offset, patch in self.patches.items():
            for index, byte in enumerate(patch, start=offset - place):
                if 0 <= index < len(data):
                    data[index] = byte
        view[: len(data)] = data
        return len(data)


# --- which sizes are open


def _is_guess(size: int) -> bool:
    return any(size in guesses for guesses in GUESSES)


def _is_open(size: int, begin: int, length: int) -> bool:
    """Whether a size of samples that begin there is one that a pipe left."""
    return begin < length and (size <= 0 or (_is_guess(size) and begin + size > length))


# --- the formats


def _complete_chunks(stream: BinaryIO, length: int) -> Patches:
    """The patches of a WAV or AIFF file."""
    layout = LAYOUTS[_read(stream, 0, 4)]
    chunks = {chunk.name: chunk for chunk in _chunks_up_to(stream, length, layout)}
    samples, wide = chunks.get(layout.samples), chunks.get(b"ds64")
    total = _number(stream, wide.begin, "<Q") if wide else _number(stream, 4, f"{layout.order}I")
    if samples is None:
        _refuse_shorter(length, 0 if _is_guess(total) else 8 + total)
        return {}
    size = _number(stream, wide.begin + 8, "<Q") if wide else samples.size
    begin = samples.begin + layout.preamble
    if size == layout.preamble and _is_chain(stream, begin, length, layout.order):
        raise EOFError("the file has no samples")  # FFmpeg would read the chunks as samples
    if _is_open(size - layout.preamble, begin, length):
        return _chunk_patches(layout, chunks, length - _padding(stream, layout, chunks, length))
    end = samples.begin + size if _is_guess(total) or not total else 8 + total
    _refuse_shorter(length + size % 2, end)  # some writers leave out the byte of padding
    return {}


def _chunks_up_to(stream: BinaryIO, length: int, layout: Layout) -> Iterator[Chunk]:
    """The chunks up to the one with the samples."""
    for chunk in _chunks(stream, 12, length, layout.order):
        yield chunk
        if chunk.name == layout.samples:
            return


def _chunks(stream: BinaryIO, place: int, length: int, order: str) -> Iterator[Chunk]:
    for _ in range(MAX_CHUNKS):
        if place + 8 > length:
            return
        name, size = struct.unpack(f"{order}4sI", _read(stream, place, 8))
        yield Chunk(name, place + 8, size)
        place += 8 + size + size % 2


def _is_chain(stream: BinaryIO, begin: int, length: int, order: str) -> bool:
    """Whether the rest of the file is further chunks, and not samples."""
    chunks = list(_chunks(stream, begin, length, order))
    named = all(chunk.name.isascii() and chunk.name.decode().isprintable() for chunk in chunks)
    return bool(chunks) and named and chunks[-1].begin + chunks[-1].size in (length - 1, length)


def _padding(stream: BinaryIO, layout: Layout, chunks: dict[bytes, Chunk], length: int) -> int:
    """How many bytes at the end are padding. A frame of one byte may be followed by a zero.

    As the loudest of all samples in 8 bits or in mu-law, that would be heard as a click.
    """
    begin = chunks[layout.samples].begin
    if layout is RIFF:
        frame = _number(stream, chunks[b"fmt "].begin + 12, "<H")
    else:
        channels, bits = (_number(stream, chunks[b"COMM"].begin + n, ">H") for n in (0, 6))
        frame = channels * -(-bits // 8)
    is_even = (length - begin) % 2 == 0
    return int(frame == 1 and is_even and _read(stream, length - 1, 1) == b"\0")


def _chunk_patches(layout: Layout, chunks: dict[bytes, Chunk], length: int) -> Patches:
    """The sizes of all that holds the samples; 0 as their number, which decoders then compute."""
    samples, wide, count = chunks[layout.samples], chunks.get(b"ds64"), chunks.get(layout.count)
    if wide:
        return {wide.begin: struct.pack("<3Q", length - 8, length - samples.begin, 0)}
    patches = {
        4: struct.pack(f"{layout.order}I", min(length - 8, LIMIT_32)),
        samples.begin - 4: struct.pack(f"{layout.order}I", min(length - samples.begin, LIMIT_32)),
    }
    if count:
        patches[count.begin + layout.count_offset] = bytes(4)
    return patches


def _complete_webp(stream: BinaryIO, length: int) -> Patches:
    total = _number(stream, 4, "<I")
    return {4: struct.pack("<I", length - 8)} if _is_open(total, 8, length) else {}


def _complete_au(stream: BinaryIO, length: int) -> Patches:
    begin, size = _number(stream, 4, ">I"), _number(stream, 8, ">I")
    if _is_open(size, begin, length):
        return {8: struct.pack(">I", min(length - begin, LIMIT_32))}
    _refuse_shorter(length, begin + size)
    return {}


def _complete_apng(stream: BinaryIO, length: int) -> Patches:
    """The number of frames of an animation, which FFmpeg leaves open: they are counted."""
    names: list[bytes] = []
    control = None
    place = 8
    while place + 8 <= length:
        size, name = struct.unpack(">I4s", _read(stream, place, 8))
        names.append(name)
        if name == b"acTL":
            control = place + 8
            if not _is_open(_number(stream, control, ">I"), 0, length):
                return {}
        if name == b"IDAT" and control is None:
            return {}
        place += 12 + size
    if control is None:
        return {}
    data = struct.pack(">I", names.count(b"fcTL")) + _read(stream, control + 4, 4)
    return {control: data + struct.pack(">I", zlib.crc32(b"acTL" + data))}


def _refuse_shorter(length: int, stated: int) -> None:
    if stated > length:
        raise EOFError(f"the file has {length} bytes, its header states {stated}")


def _number(stream: BinaryIO, offset: int, code: str) -> int:
    """Raises struct.error beyond the end."""
    (number,) = struct.unpack(code, _read(stream, offset, struct.calcsize(code)))
    return int(number)


def _read(stream: BinaryIO, offset: int, count: int) -> bytes:
    stream.seek(offset)
    return stream.read(count)


COMPLETE: dict[str, Callable[[BinaryIO, int], Patches]] = {
    "wav": _complete_chunks,
    "aiff": _complete_chunks,
    "au": _complete_au,
    "WEBP": _complete_webp,
    "PNG": _complete_apng,
}
