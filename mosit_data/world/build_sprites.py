"""Makes the artwork of the small world from four npm packages of emoji.

In an empty folder, unpack each archive into the folder named before it:

    npm pack @twemoji/svg@15.0.0                twitter/
    npm pack @iconify-json/noto@1.2.9           noto/
    npm pack @lobehub/fluent-emoji-3d@1.1.0     fluent/
    npm pack emoji-datasource-google@16.0.0     names/      (only with --full)

then `pip install resvg-py` and `python -m mosit_data.world.build_sprites FOLDER`, which writes
sprites.webp beside this file. With `--full` it also writes full.png and full.json: some 780
concepts, which are not shipped.
"""

import argparse
import json
import re
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import resvg_py
from PIL import Image

from mosit_data.world.sprites import CORE_ATLAS, FULL_ATLAS, FULL_NAMES, SPRITE
from mosit_data.world.vocabulary import CONCEPTS, STYLES

THINGS = ("Animals & Nature", "Food & Drink", "Travel & Places", "Objects", "Activities")
NOT_THINGS = re.compile(
    r"face with|keycap|hand|clock face|oclock|thirty|symbol|mark|sign\b|quarter"
)
NOISE = re.compile(
    r"^(black|white|heavy|open|closed|left-pointing|medium) | with (vertical stroke|rays|strings)$"
)
DRAWN = 512  # pixels: vector artwork is drawn at this side before it is cropped and scaled
QUALITY = 90  # of WebP; PNG ignores it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("npm_folder", type=Path, help="holds twitter/, noto/, fluent/ and names/")
    parser.add_argument("--full", action="store_true", help="also the full vocabulary")
    arguments = parser.parse_args()
    write_atlas(arguments.npm_folder, [c.code for c in CONCEPTS], CORE_ATLAS)
    if arguments.full:
        names = full_names(arguments.npm_folder)
        write_atlas(arguments.npm_folder, list(names.values()), FULL_ATLAS)
        FULL_NAMES.write_text(json.dumps(list(names)) + "\n", encoding="utf-8")


def write_atlas(npm_folder: Path, codes: list[str], atlas: Path) -> None:
    """One row per concept, one column per style."""
    canvas = Image.new("RGBA", (SPRITE * len(STYLES), SPRITE * len(codes)))
    for row, code in enumerate(codes):
        for column, style in enumerate(STYLES):
            sprite = fit(ARTWORK[style](npm_folder, code))
            canvas.paste(sprite, (column * SPRITE, row * SPRITE))
    canvas.save(atlas, quality=QUALITY, method=6)


def fit(picture: Image.Image) -> Image.Image:
    """The visible part of a picture, its longer side SPRITE pixels, in the middle of a square."""
    visible = picture.crop(picture.getchannel("A").point(lambda a: 255 * (a > 16)).getbbox())
    scale = SPRITE / max(visible.size)
    width, height = (max(1, round(side * scale)) for side in visible.size)
    small = visible.resize((width, height), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SPRITE, SPRITE))
    square.paste(small, ((SPRITE - width) // 2, (SPRITE - height) // 2))
    return square


# --- the artwork of each style ---


def flat(npm_folder: Path, code: str) -> Image.Image:
    return drawn((npm_folder / f"twitter/package/{bare(code)}.svg").read_text(encoding="utf-8"))


def cartoon(npm_folder: Path, code: str) -> Image.Image:
    icons, names = noto(npm_folder)
    body = icons["icons"][names[bare(code)]]["body"]
    return drawn(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128">{body}</svg>')


def solid(npm_folder: Path, code: str) -> Image.Image:
    return Image.open(npm_folder / f"fluent/package/assets/{code}.webp").convert("RGBA")


ARTWORK: dict[str, Callable[[Path, str], Image.Image]] = {
    "flat": flat,
    "cartoon": cartoon,
    "3d": solid,
}


def drawn(svg: str) -> Image.Image:
    """Vector artwork as RGBA pixels."""
    png = resvg_py.svg_to_bytes(svg_string=svg, width=DRAWN, height=DRAWN)
    return Image.open(BytesIO(bytes(png))).convert("RGBA")


@cache
def noto(npm_folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The icons, and the name of each code's icon."""
    package = npm_folder / "noto" / "package"
    icons, names = (
        json.loads((package / name).read_text(encoding="utf-8"))
        for name in ("icons.json", "chars.json")
    )
    return icons, names


def bare(code: str) -> str:
    """A code without the selector of its coloured form, which most packages leave out."""
    return code.removesuffix("-fe0f")


# --- the names of the full vocabulary ---


def full_names(npm_folder: Path) -> dict[str, str]:
    """Name -> code of every thing that has artwork in all styles; the core ones come first."""
    names = {concept.name: concept.code for concept in CONCEPTS}
    listing = npm_folder / "names" / "package" / "emoji.json"
    for emoji in json.loads(listing.read_text(encoding="utf-8")):
        code = Path(emoji["image"]).stem
        if is_thing(emoji) and code not in names.values() and has_artwork(npm_folder, code):
            name = noun(emoji)
            animal = name.removesuffix(" face")
            names.setdefault(name if animal in names else animal, code)
    return names


def has_artwork(npm_folder: Path, code: str) -> bool:
    try:
        for artwork in ARTWORK.values():
            artwork(npm_folder, code)
    except (OSError, KeyError):
        return False
    return True


def is_thing(emoji: dict[str, Any]) -> bool:
    return emoji["category"] in THINGS and not NOT_THINGS.search(emoji["name"].lower())


def noun(emoji: dict[str, Any]) -> str:
    """The name of an emoji as one would say it: without how its black and white glyph looked."""
    name = re.sub(r"[^a-z0-9 '-]", "", emoji["name"].lower())
    name = re.sub(r"\b(wo)?mans\b", r"\1man's", name)
    return NOISE.sub("", name).strip()


if __name__ == "__main__":
    main()
