"""Makes the artwork of the small world from three npm packages of emoji.

In an empty folder, unpack each archive into the folder named before it:

    npm pack emoji-datasource-google@16.0.0     google/
    npm pack emoji-datasource-twitter@16.0.0    twitter/
    npm pack @lobehub/fluent-emoji-3d@1.1.0     fluent/

then `python -m mosit_data.world.build_sprites FOLDER` writes sprites.png beside this file.
With `--full` it also writes full.png and full.json: some 780 concepts, which are not shipped.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("npm_folder", type=Path, help="holds google/, twitter/ and fluent/")
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
        for column, path in enumerate(artwork(npm_folder, code)):
            canvas.paste(fit(Image.open(path).convert("RGBA")), (column * SPRITE, row * SPRITE))
    canvas.save(atlas, optimize=True)


def artwork(npm_folder: Path, code: str) -> list[Path]:
    """Where an emoji is drawn in every style."""
    return [npm_folder / style.files.format(code=code) for style in STYLES.values()]


def fit(picture: Image.Image) -> Image.Image:
    """The visible part of a picture, its longer side SPRITE pixels, in the middle of a square."""
    visible = picture.crop(picture.getchannel("A").point(lambda a: 255 * (a > 16)).getbbox())
    scale = SPRITE / max(visible.size)
    width, height = (max(1, round(side * scale)) for side in visible.size)
    small = visible.resize((width, height), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SPRITE, SPRITE))
    square.paste(small, ((SPRITE - width) // 2, (SPRITE - height) // 2))
    return square


def full_names(npm_folder: Path) -> dict[str, str]:
    """Name -> code of every thing that has artwork in all styles; the core ones come first."""
    names = {concept.name: concept.code for concept in CONCEPTS}
    listing = npm_folder / "google" / "package" / "emoji.json"
    for emoji in json.loads(listing.read_text(encoding="utf-8")):
        code = Path(emoji["image"]).stem
        drawn = all(path.exists() for path in artwork(npm_folder, code))
        if drawn and is_thing(emoji) and code not in names.values():
            name = noun(emoji)
            animal = name.removesuffix(" face")
            names.setdefault(name if animal in names else animal, code)
    return names


def is_thing(emoji: dict[str, Any]) -> bool:
    return emoji["category"] in THINGS and not NOT_THINGS.search(emoji["name"].lower())


def noun(emoji: dict[str, Any]) -> str:
    """The name of an emoji as one would say it: without how its black and white glyph looked."""
    name = re.sub(r"[^a-z0-9 '-]", "", emoji["name"].lower())
    name = re.sub(r"\b(wo)?mans\b", r"\1man's", name)
    return NOISE.sub("", name).strip()


if __name__ == "__main__":
    main()
