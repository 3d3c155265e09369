"""Names that were replaced by the field's terms do not come back."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT

PACKAGES = ("anygen", "encoders", "decoders", "mosit_data")

# What to write instead. Old files may hold such words as keys: only names in the code count.
INSTEAD = {
    "abandon": "cancel",
    "aids": "auxiliaries",
    "ask_for": "compute_condition",
    "attend_all": "Attention",
    "Await": "WaitForMedia",
    "blemish": "corrupt",
    "bring_lora_near": "materialize_lora",
    "borrow": "acquire",
    "caption_condition": "encode_prompt",
    "CaptionBank": "NegativeBank",
    "Change": "EditRequest",
    "claim_path": "reserve_path",
    "Contexts": "KVCachePool",
    "DecoderShelf": "LazyDecoders",
    "Draft": "AnswerBuilder",
    "drills": "workloads",
    "Exchange": "Turn",
    "FactReader": "LinearProbe",
    "fulfil_picks": "sample_step",
    "fulfil_reads": "forward_step",
    "gist": "pooled_condition",
    "give_back": "release",
    "go_on": "advance",
    "knows_system": "supports_system_role",
    "likeliest": "choose",
    "likeness_loss": "distillation_loss",
    "Look": "AttentionParams",
    "lora_that_does_nothing": "zero_lora",
    "Made": "MediaInfo",
    "Maker": "ModelId",
    "medley": "sound_mix",
    "merges": "can_merge_lora",
    "misses": "hard_negatives",
    "Moment": "Operation",
    "of_llm": "load_kwargs",
    "opinion": "class_token",
    "Outline": "DecoderInfo",
    "outlines": "infos",
    "Pick": "SampleToken",
    "Read": "Forward",
    "rehearsal": "meta_tracker",
    "Render": "RenderMedia",
    "safe": "keep_in_fp32_modules",
    "ScenePool": "PrecomputedPool",
    "Seat": "Slot",
    "SEATS": "MAX_SLOTS",
    "Several": "Composite",
    "shelf": "decoder_cache",
    "sit_down": "admit",
    "side_sight": "branch_arguments",
    "Speaker": "Sequence",
    "stabilize_rows": "make_batch_invariant",
    "take_turn": "run_turn",
    "textstream": "detokenizer",
    "together": "mix",
    "told_by_user": "with_system_in_user_turn",
    "unspeakable": "non_text_ids",
    "visitors": "offloadable",
    "wish": "pending",
    "word_loss": "word_alignment_loss",
}

# Words that are right elsewhere: where they are not, and what to write there instead.
INSTEAD_IN = {
    ("anygen/config/", "here"): "validate_available",
    ("anygen/evaluation/", "keep"): "save_media",
    ("anygen/chat/", "keep"): "save_media",
    ("anygen/generation/", "PATIENCE"): "MAX_WAIT_PASSES",
    ("anygen/generation/", "budget"): "truncation",
    ("anygen/generation/", "leave"): "release",
    ("anygen/generation/", "say"): "append_token",
    ("anygen/generation/", "wake"): "resume",
    ("anygen/llm/", "Context"): "KVCache",
    ("anygen/llm/", "inward"): "qkv_proj",
    ("anygen/llm/", "keep"): "append",
    ("anygen/llm/", "outward"): "o_proj",
    ("anygen/llm/", "own"): "expert",
    ("anygen/llm/", "shared"): "common_prefix",
    ("anygen/llm/", "spread"): "embedding_std",
    ("anygen/model/", "touch"): "mark_used",
}

# A value is named after what it is, not after what was done to it.
PARTICIPLES = {
    "asked": "requested, request or question",
    "given": "value or settings",
    "heard": "received or audio",
    "made": "output, image or media",
    "said": "text or reply",
    "seen": "attended, visible or used",
    "taken": "used or reserved",
    "told": "message or condition",
    "turned": "rotated or rotation",
    "wanted": "requested, expected or condition",
}

# Keys of files that earlier releases wrote.
FILE_KEYS = {
    "anygen/conversation/serialization.py": {"given", "made"},
    "anygen/conversation/transcript_file.py": {"asked"},
}

PREFIX = "MOST_"  # of constants: it is MAX_


def names(tree: ast.AST) -> Iterator[str]:
    """Of functions, classes, arguments, variables and attributes that a module introduces."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr


def retired(module: str, text: str) -> dict[str, str]:
    """The retired names in a module, a path below the root, with what to write instead."""
    here = {word: new for (scope, word), new in INSTEAD_IN.items() if module.startswith(scope)}
    found = {}
    for name in (*Path(module).with_suffix("").parts, *names(ast.parse(text))):
        if name in FILE_KEYS.get(module, ()):
            continue
        new = (INSTEAD | PARTICIPLES | here).get(name) or (
            name.startswith(PREFIX) and f"MAX_{name[5:]}"
        )
        if new:
            found[name] = new
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_retired_name_comes_back(package: str) -> None:
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        module = path.relative_to(ROOT).as_posix()
        if words := retired(module, path.read_text(encoding="utf-8")):
            found[module] = words
    assert found == {}


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("anygen/memory/drills.py", ""),
        ("decoders/parts/drills/__init__.py", ""),
        ("anygen/x.py", "def drills(): ..."),
        ("anygen/x.py", "class drills: ..."),
        ("anygen/x.py", "def f(*, drills=1): ..."),
        ("anygen/x.py", "for drills in (): ..."),
        ("anygen/x.py", "a.drills, b = 1, 2"),
    ],
)
def test_a_retired_name_is_found_wherever_it_is_introduced(module: str, text: str) -> None:
    assert retired(module, text) == {"drills": "workloads"}


def test_a_word_in_a_string_or_another_package_is_no_name() -> None:
    assert retired("anygen/x.py", "a = {'drills': f(b.drills)}") == {}
    assert retired("anygen/x.py", "MOST_ROWS = 8") == {"MOST_ROWS": "MAX_ROWS"}
