import base64
import io
import itertools
import re

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from anygen.terminal.graphics import BACKENDS, RAMP, choose_graphics, draw, paint_256
from anygen.terminal.probe import column_pixels

SIZES = [(1, 1), (64, 64), (64, 1), (1, 64), (500, 300), (268, 64), (50, 900)]  # wide, high
KITTY = re.compile(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\")
ITERM = re.compile(r"\x1b\]1337;File=([^:]*):(.*)\x07")
SIXEL = re.compile(r'\x1bP0;1;0q"1;1;(\d+);(\d+)(.*)\x1b\\', re.DOTALL)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def noise(width: int, height: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


def stripes(*colors: tuple[int, int, int], width: int, height: int) -> torch.Tensor:
    """Horizontal ones, `height` pixels each."""
    column = torch.tensor(colors, dtype=torch.uint8).repeat_interleave(height, dim=0)
    return column.T[:, :, None].expand(3, -1, width)


def keys_of(text: str, separator: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split(separator))


def pixels_of(png: bytes) -> torch.Tensor:
    return torch.from_numpy(np.array(PILImage.open(io.BytesIO(png)))).permute(2, 0, 1)


def without_colors(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def columns_taken(drawn: str, backend: str) -> int:
    match backend:
        case "kitty":
            return int(keys_of(KITTY.findall(drawn)[0][0], ",")["c"])
        case "iterm":
            return int(keys_of(ITERM.fullmatch(drawn)[1], ";")["width"])
        case "sixel":
            return -(-int(SIXEL.fullmatch(drawn)[1]) // column_pixels())
        case _:
            return max(map(len, without_colors(drawn).split("\n")))


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "none"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_picture_is_wider_than_asked(backend, width, height):
    for columns in (1, 7, 20, 48):
        assert 1 <= columns_taken(draw(noise(width, height), backend, columns), backend) <= columns


@pytest.mark.parametrize("backend", ["blocks", "256", "ascii"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_picture_is_higher_than_a_square_of_that_width(backend, width, height):
    rows = draw(noise(width, height), backend, 40).split("\n")
    assert len(rows) <= 20
    assert len({len(without_colors(row)) for row in rows}) == 1


@pytest.mark.parametrize("backend", ["kitty", "iterm", "sixel"])
def test_pixel_graphics_scale_a_small_picture_up_to_the_width(backend):
    assert columns_taken(draw(noise(64, 64), backend, 48), backend) == 48


@pytest.mark.parametrize("backend", ["blocks", "256", "ascii"])
def test_characters_do_not_enlarge(backend):
    assert columns_taken(draw(noise(8, 8), backend, 48), backend) == 8


# --- kitty: https://sw.kovidgoyal.net/kitty/graphics-protocol/


def test_kitty_gets_a_png_in_chunks_of_which_the_first_has_the_keys():
    picture = noise(64, 64)
    drawn = draw(picture, "kitty", 48)
    commands = KITTY.findall(drawn)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in commands) == drawn
    assert len(commands) > 2
    first, *others = (keys for keys, _ in commands)
    assert keys_of(first, ",") == {"a": "T", "f": "100", "t": "d", "q": "2", "c": "48", "m": "1"}
    assert others == ["m=1"] * (len(others) - 1) + ["m=0"]
    assert [len(data) for _, data in commands[:-1]] == [4096] * len(others)
    assert 0 < len(commands[-1][1]) <= 4096
    data = base64.b64decode("".join(data for _, data in commands), validate=True)
    assert pixels_of(data).equal(picture)


def test_what_fits_into_one_chunk_is_the_last_one():
    ((keys, _),) = KITTY.findall(draw(torch.zeros(3, 2, 2, dtype=torch.uint8), "kitty", 10))
    assert keys == "a=T,f=100,t=d,q=2,c=10,m=0"


def test_no_more_pixels_are_sent_than_can_be_seen():
    data = "".join(data for _, data in KITTY.findall(draw(noise(900, 600), "kitty", 10)))
    assert pixels_of(base64.b64decode(data)).shape == (3, 107, 160)


# --- iTerm2: https://iterm2.com/documentation-images.html


def test_iterm_gets_a_png_with_its_size_and_its_columns():
    picture = noise(64, 32)
    keys, data = ITERM.fullmatch(draw(picture, "iterm", 30)).groups()
    png = base64.b64decode(data, validate=True)
    size = str(len(png))
    assert keys_of(keys, ";") == {
        "inline": "1",
        "size": size,
        "width": "30",
        "preserveAspectRatio": "1",
    }
    assert pixels_of(png).equal(picture)


# --- sixel: https://vt100.net/docs/vt3xx-gp/chapter14.html


def decode_sixel(drawn: str) -> torch.Tensor:
    """(3, H, W) uint8; -1 would be a pixel that was not drawn."""
    width, height, data = SIXEL.fullmatch(drawn).groups()
    canvas = np.full((int(height), int(width), 3), -1)
    registers, color, top, x = {}, None, 0, 0
    for token in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|([?-~])|([$-])", data):
        number, *percents, count, repeated, single, move = token.groups()
        if number:
            color = number
            if percents[0]:
                registers[number] = [round(int(percent) * 2.55) for percent in percents]
        elif move:
            top, x = top + 6 * (move == "-"), 0
        else:
            bits, length = ord(repeated or single) - ord("?"), int(count or 1)
            for row in range(6):
                if bits >> row & 1:
                    canvas[top + row, x : x + length] = registers[color]
            x += length
    return torch.from_numpy(canvas).permute(2, 0, 1)


def test_a_sixel_picture_has_every_pixel_in_its_colour():
    side = 4 * column_pixels()
    colors = (255, 0, 0), (0, 128, 255), (13, 200, 77), (0, 0, 0), (255, 255, 255)
    picture = stripes(*colors, width=side, height=side)[:, :side]  # of rows no multiple of 6
    picture = torch.cat([picture, picture.flip(2).transpose(1, 2)], dim=2)
    decoded = decode_sixel(draw(picture, "sixel", 8))
    assert decoded.shape == picture.shape
    assert (decoded - picture.int()).abs().max() <= 2, "a register has 101 steps"


def test_a_sixel_picture_of_many_colours_is_close(image):
    decoded = decode_sixel(draw(image.pixels, "sixel", 8))
    assert decoded.min() >= 0
    assert decoded.shape[1] == round(decoded.shape[2] * 32 / 48)
    small = torch.nn.functional.interpolate(decoded[None].float(), (32, 48), mode="area")[0]
    assert (small - image.pixels.float()).abs().mean() < 6


def test_equal_sixels_are_counted():
    drawn = draw(torch.full((3, 6, 60), 255, dtype=torch.uint8), "sixel", 10)
    width, height, data = SIXEL.fullmatch(drawn).groups()
    assert data.startswith("#0;2;100;100;100")
    assert data.removeprefix("#0;2;100;100;100") == f"#0!{width}{chr(63 + 2 ** int(height) - 1)}"


# --- characters


def test_a_character_is_two_pixels_the_upper_one_in_front():
    pixels = torch.tensor([[[255], [0]], [[0], [0]], [[0], [9]]], dtype=torch.uint8)
    assert draw(pixels, "blocks", 80) == "\x1b[38;2;255;0;0m\x1b[48;2;0;0;9m▀\x1b[0m"
    assert draw(pixels, "256", 80) == "\x1b[38;5;196m\x1b[48;5;16m▀\x1b[0m"


def test_every_row_resets_the_colours(image):
    for backend in ("blocks", "256"):
        assert all(row.endswith("\x1b[0m") for row in draw(image.pixels, backend, 20).split("\n"))


def test_the_colours_of_the_cube_have_the_numbers_of_xterm():
    levels = [0, 95, 135, 175, 215, 255]
    cube = list(itertools.product(range(6), repeat=3))
    colors = torch.tensor([[levels[i] for i in color] for color in cube], dtype=torch.uint8)
    assert paint_256(colors[None])[0] == [f"5;{16 + 36 * r + 6 * g + b}" for r, g, b in cube]


def test_the_greys_have_the_numbers_of_xterm():
    greys = torch.arange(8, 239, 10, dtype=torch.uint8)[None, :, None].expand(1, 24, 3)
    assert paint_256(greys)[0] == [f"5;{number}" for number in range(232, 256)]


def test_a_colour_between_is_the_nearest():
    colors = torch.tensor([[[250, 100, 3], [101, 99, 100], [1, 2, 0]]], dtype=torch.uint8)
    assert paint_256(colors)[0] == ["5;202", "5;241", "5;16"]


def test_ascii_is_denser_where_it_is_lighter_and_has_no_escape_codes():
    ramp = torch.linspace(0, 255, 10).byte()[None, None].expand(3, 2, 10)
    assert draw(ramp, "ascii", 80) == RAMP
    assert draw(noise(64, 64), "ascii", 40).isascii()
    assert "\x1b" not in draw(noise(64, 64), "ascii", 40)


def test_green_is_lighter_than_red_and_red_than_blue():
    drawn = draw(stripes((0, 255, 0), (255, 0, 0), (0, 0, 255), width=2, height=2), "ascii", 6)
    assert drawn == "**\n::\n.."


def test_none_is_one_plain_line(image):
    assert draw(image.pixels, "none", 5) == "[image 48x32]"


# --- the choice


@pytest.mark.parametrize("name", BACKENDS)
def test_a_forced_name_is_taken_whatever_the_terminal(name):
    assert choose_graphics(name, io.StringIO(), io.StringIO(), {"TERM": "dumb"}) == name


def test_an_unknown_name_is_an_error_that_lists_the_known():
    with pytest.raises(ValueError, match=r"'braille'; choose auto, kitty, iterm, .*, none"):
        choose_graphics("braille", Terminal(), Terminal(), {})


@pytest.mark.parametrize("forced", [None, "auto"])
def test_what_is_no_terminal_gets_plain_lines(forced):
    assert choose_graphics(forced, Terminal(), io.StringIO(), {"COLORTERM": "24bit"}) == "none"


COLORFUL = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, "none"),
        ({**COLORFUL, "NO_COLOR": "1", "LC_TERMINAL": "iTerm2"}, "ascii"),
        ({**COLORFUL, "NO_COLOR": ""}, "blocks"),
        ({**COLORFUL, "TMUX": "/tmp/tmux-1000/default,1,0", "LC_TERMINAL": "iTerm2"}, "blocks"),
        ({"TERM": "tmux-256color"}, "256"),
        ({"TERM": "screen"}, "256"),
        ({"TERM": "xterm", "STY": "1.pts-0.host"}, "256"),
        ({**COLORFUL, "ZELLIJ": "0", "TERM_PROGRAM": "WezTerm"}, "blocks"),
        ({"TERM": "xterm", "ZELLIJ_SESSION_NAME": "x", "LC_TERMINAL": "iTerm2"}, "256"),
        ({"TERM": "dvtm-256color", "LC_TERMINAL": "iTerm2"}, "256"),
        ({**COLORFUL, "DVTM": "0.15", "LC_TERMINAL": "iTerm2"}, "blocks"),
        ({**COLORFUL, "NVIM": "/run/nvim.1.0", "TERM_PROGRAM": "iTerm.app"}, "blocks"),
        ({**COLORFUL, "VIM_TERMINAL": "901", "TERM_PROGRAM": "iTerm.app"}, "blocks"),
        ({"TERM": "eterm-color", "INSIDE_EMACS": "29.1,term", "LC_TERMINAL": "iTerm2"}, "256"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, "256"),
        (COLORFUL, "blocks"),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, "blocks"),
        ({"TERM": "xterm", "COLORTERM": "yes"}, "ascii"),
        ({"TERM": "vt100"}, "ascii"),
        ({}, "ascii"),
    ],
)
def test_the_environment_decides_where_nobody_can_be_asked(environ, expected):
    assert choose_graphics(None, io.StringIO(), Terminal(), environ) == expected
