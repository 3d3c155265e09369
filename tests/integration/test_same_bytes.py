"""The promise of docs/benchmarks.md, "The same bits", on the shipped weights and by the command."""

import json
import random

import pytest
import torch

from anygen import AnyGen
from anygen.core.content_hash import content_hash
from anygen.core.media import media_of
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from support.answers import forget, user

pytestmark = pytest.mark.slow

PROMPTS = [
    "Draw a flat cat on a blue background.",
    "Play a piano playing a rising melody.",
    "Why is the sky blue?",
    "Draw a cartoon dog.",
    "Play the sound of a seashore.",
    "Show me a video of a ball moving to the left.",
]


@pytest.fixture(scope="module")
def mini():
    return AnyGen.from_pretrained("mini", device="cpu")


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_mini_gives_the_same_bytes_alone_and_in_any_batch(mini):
    """On its real shapes: what rests on a measurement of one CPU's kernels fails on another."""
    options = AnswerOptions.model_validate(
        {"max_new_tokens": 24, "media": {m: {"steps": 2} for m in ("image", "audio", "video")}}
    )
    requests = [Request([user(text)], seed, options) for seed, text in enumerate(PROMPTS)]

    def answer(batch):
        return [bytes_of(answer) for answer in forget(mini).reply_many(batch)]

    alone = [answer([request])[0] for request in requests]
    assert sum(len(media) for _, media in alone) >= 4
    rng = random.Random(0)
    for size in (len(requests), 3):
        chosen = rng.sample(range(len(requests)), k=size)
        together = answer([requests[index] for index in chosen])
        assert together == [alone[index] for index in chosen]


def bytes_of(answer):
    text = [part for part in answer.message.parts if isinstance(part, str)]
    return text, [content_hash(medium) for medium in media_of([answer.message])]


def test_files_do_not_depend_on_the_size_or_the_order_of_batches(anygen_cli, saved_model, tmp_path):
    rows = [
        {"id": f"{seed}", "seed": seed, "messages": [{"role": "user", "content": text}]}
        for seed, text in enumerate(PROMPTS)
    ]
    found = []
    for size, seed in ((1, 0), (8, 1), (3, 2)):
        random.Random(seed).shuffle(rows)
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        folder = tmp_path / f"out{size}"
        command = ["generate", "rows.jsonl", "--out", str(folder), "--model", str(saved_model)]
        command += ["--max-new-tokens", "4", "--set", "begin=image", "--set", "max_media=1"]
        code, _, err = anygen_cli(*command, "--batch-size", str(size))
        assert code == 0, err
        found.append({path.name: path.read_bytes() for path in folder.glob("*.png")})
    assert len(found[0]) == len(PROMPTS)
    assert found[0] == found[1] == found[2]
