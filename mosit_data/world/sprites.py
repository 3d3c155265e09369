"""Artwork: a sprite of every concept in every style, cut from an atlas."""

import json
from functools import cache, lru_cache
from pathlib import Path

from PIL import Image

from mosit_data.world.vocabulary import CONCEPTS, STYLES

SPRITE = 64  # pixels, the side of a sprite in the atlas
CORE_ATLAS = Path(__file__).with_name("sprites.png")
FULL_ATLAS = Path(__file__).with_name("full.png")
FULL_NAMES = Path(__file__).with_name("full.json")


@cache
def concept_names(full: bool = False) -> tuple[str, ...]:
    """What can be drawn: 64 concepts, or some 780 once `build_sprites --full` has run."""
    if not full:
        return tuple(concept.name for concept in CONCEPTS)
    if not FULL_NAMES.exists():
        raise ValueError(
            "the full vocabulary is not built: run python -m mosit_data.world.build_sprites --full"
        )
    return tuple(json.loads(FULL_NAMES.read_text(encoding="utf-8")))


@lru_cache(maxsize=8192)
def sprite(concept: str, style: str, side: int) -> Image.Image:
    """RGBA, `side` x `side` pixels."""
    full = concept not in concept_names()
    row, column = concept_names(full).index(concept), list(STYLES).index(style)
    left, top = column * SPRITE, row * SPRITE
    drawing = atlas(full).crop((left, top, left + SPRITE, top + SPRITE))
    return drawing.resize((side, side), Image.Resampling.LANCZOS)


@cache
def atlas(full: bool) -> Image.Image:
    return Image.open(FULL_ATLAS if full else CORE_ATLAS).convert("RGBA")
