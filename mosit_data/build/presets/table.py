"""The table of presets, by the name that `anygen data build` takes."""

from __future__ import annotations

from collections.abc import Mapping

from mosit_data.build.presets.about import (
    CONVERSATION,
    DETAILED,
    FACTUAL,
    PLACES,
    REASONING,
    with_sight,
)
from mosit_data.build.presets.base import Kind, Preset
from mosit_data.build.presets.describing import DESCRIBED
from mosit_data.build.presets.mosit import MOSIT
from mosit_data.build.presets.tasks import TASK, plan_tasks
from mosit_data.build.subjects import plan_media

PRESETS: Mapping[str, Preset] = {
    # LAMM: Yin et al. 2023, without its point clouds; its four kinds in equal parts.
    "lamm": Preset(
        {CONVERSATION: 1, FACTUAL: 1, DETAILED: 1, PLACES: 1}, plan_media, modalities=("image",)
    ),
    # LLaVA: Liu et al. 2023; the shares of its 58, 23 and 77 thousand rows.
    "llava": Preset(
        {CONVERSATION: 58, DETAILED: 23, REASONING: 77}, plan_media, modalities=("image",)
    ),
    # LVIS-Instruct4V: Wang et al. 2023; half conversations, half descriptions.
    "lvis": Preset(
        {with_sight(CONVERSATION): 1, with_sight(DETAILED): 1}, plan_media, modalities=("image",)
    ),
    "minigpt4": Preset({DESCRIBED: 1}, plan_media, modalities=("image",)),
    "mosit": MOSIT,
    "multiinstruct": Preset({TASK: 1}, plan_tasks, grammar_reads_captions=True),
    # Syphus, the pipeline of MIMIC-IT: Li et al. 2023.
    "syphus": Preset({CONVERSATION: 2, REASONING: 1}, plan_media, examples=3),
    # Valley: Luo et al. 2023; from short captions an LLM invents what is not there.
    "valley": Preset(
        {DETAILED: 1, CONVERSATION: 1, REASONING: 1},
        plan_media,
        modalities=("video",),
        min_words=20,
    ),
}
KINDS: Mapping[str, Kind] = {
    kind.name: kind for preset in PRESETS.values() for kind in preset.kinds
}
