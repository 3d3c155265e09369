"""Artwork: a sprite of every concept in every style and colour, cut from an atlas."""

import json
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from mosit_data.world.colours import recolour
from mosit_data.world.vocabulary import CONCEPTS, STYLES

SPRITE = 128  # pixels, the side of a sprite in the atlas
CORE_ATLAS = Path(__file__).with_name("sprites.webp")
FULL_ATLAS = Path(__file__).with_name("full.png")  # WebP has 16,383 rows at most
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


@lru_cache(maxsize=2048)
def sprite(concept: str, style: str, side: int, colour: str | None = None) -> Image.Image:
    """RGBA, `side` x `side` pixels."""
    drawing = artwork(concept, style, colour)
    return drawing.resize((side, side), Image.Resampling.LANCZOS)


@lru_cache(maxsize=2048)
def artwork(concept: str, style: str, colour: str | None) -> Image.Image:
    """RGBA, SPRITE x SPRITE pixels; without a colour as it usually is."""
    full = concept not in concept_names()
    row, column = concept_names(full).index(concept), list(STYLES).index(style)
    left, top = column * SPRITE, row * SPRITE
    drawing = atlas(full).crop((left, top, left + SPRITE, top + SPRITE))
    return Image.fromarray(recolour(np.array(drawing), colour)) if colour else drawing


@cache
def atlas(full: bool) -> Image.Image:
    return Image.open(FULL_ATLAS if full else CORE_ATLAS).convert("RGBA")
