"""Reads damaged media files: `python -m support.fuzz_media SEED COUNT FOLDER`, from tests/.

Prints each case before it is read. A crash, an exception that is no MediaError, or a case that
takes longer than HANG_SECONDS ends the process with a code that is not 0.
"""

import faulthandler
import random
import struct
import sys
from contextlib import suppress
from pathlib import Path

import torch

from anygen.io.media_files import MediaError, read_comment, read_media
from support.odd_media import ZOO

HANG_SECONDS = 30
MEMORY = 1_000_000  # kB more than before the first case; pictures may have 100 megapixels
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)


def main(seed: int, count: int, folder: Path) -> None:
    faulthandler.enable()
    torch.set_num_threads(1)
    zoo = {name: make() for name, (make, _) in ZOO.items()}
    names = [name for name, data in zoo.items() if 0 < len(data) < 60_000]
    files = [zoo[name] for name in names]
    before = peak()
    for number in range(count):
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        draw = random.Random(f"{seed} {number}")  # a case depends on its number alone
        base = draw.randrange(len(files))
        mutate = draw.choice([flip, cut, splice, change_head, enlarge_field])
        sys.stdout.write(f"{number} {mutate.__name__} {names[base]}\n")
        sys.stdout.flush()
        read(mutate(bytearray(files[base]), draw.choice(files), draw), folder / "fuzz.bin")
    assert peak() - before < MEMORY


def peak() -> int:
    """The most memory that was ever used, in kB; `ru_maxrss` would count the parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def read(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    for reader in (read_media, read_comment):
        with suppress(MediaError):
            reader(path)


def flip(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    for _ in range(draw.choice([1, 3, 20])):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def cut(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    """The beginning, or all but a piece in the middle."""
    start = draw.randrange(1, len(data) + 1)
    end = draw.choice([len(data), min(len(data), start + draw.randrange(1, 50))])
    return bytes(data[:start] + data[end:])


def splice(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    """A piece of another file, or of this, in place of one of ours or between."""
    source = draw.choice([other, bytes(data)])
    begin = draw.randrange(len(source))
    piece = source[begin : begin + draw.choice([4, 30, 1000])]
    start = draw.randrange(len(data))
    end = draw.choice([start, start + len(piece)])
    return bytes(data[:start] + piece + data[end:])


def change_head(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    for _ in range(draw.choice([1, 2, 4])):
        data[draw.randrange(min(len(data), 120))] = draw.choice([*EXTREMES, draw.randrange(256)])
    return bytes(data)


def enlarge_field(data: bytearray, other: bytes, draw: random.Random) -> bytes:
    """A number of 2, 4 or 8 bytes becomes a very large, a very small or a negative one."""
    size, code = draw.choice([(2, "H"), (4, "I"), (8, "Q")])
    value = draw.choice([0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), 2 ** (8 * size - 1) - 1])
    start = draw.randrange(len(data))
    data[start : start + size] = struct.pack(draw.choice("<>") + code, value)
    return bytes(data)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
