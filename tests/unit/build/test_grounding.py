"""Captions are grounded in the nearest media, never one medium for nearly equal captions."""

import hashlib
import json

import numpy as np
import pytest

from mosit_data.build import grounding
from mosit_data.build.dialogues import RefusalError
from mosit_data.build.endpoint import EndpointWriter
from mosit_data.build.grounding import NEAR_CAPTIONS, MakingGrounder, Pool, SearchGrounder
from mosit_data.build.pipeline import Order, build
from mosit_data.build.presets.base import Source
from mosit_data.build.presets.mosit import MOSIT
from mosit_data.build.topics import plan_topics
from mosit_data.build.writers import GrammarWriter

# Captions at an angle from the first axis of a plane, in degrees; media lie at 0 and 30.
ANGLES = {"a kite": 5, "the kite": 8, "a dog": 40, "rain": 110}
[JOB] = plan_topics("mosit", MOSIT, Source(["kites"]), 1, 0)


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(np.array(degrees, dtype=np.float32))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def grounder(threshold: float = 0.5) -> SearchGrounder:
    pool = Pool(["kite.png", "dog.png"], at(0, 30))
    return SearchGrounder({"image": pool}, lambda texts: at(*map(ANGLES.get, texts)), threshold)


def test_the_nearest_medium_is_taken():
    found = grounder()
    found.prepare([*ANGLES])
    assert found.find(JOB, "image", "a dog").path == "dog.png"
    assert found.find(JOB, "image", "a kite").path == "kite.png"


def test_a_caption_like_an_earlier_one_gets_another_medium():
    found = grounder()
    captions = ["a kite", "the kite", "a kite"]
    assert [found.find(JOB, "image", c).path for c in captions[:2]] == ["kite.png", "dog.png"]
    with pytest.raises(RefusalError) as refusal:
        found.find(JOB, "image", captions[2])
    assert refusal.value.reason == "reuse"


def test_another_caption_may_share_a_medium():
    found = grounder(threshold=-1)
    assert found.find(JOB, "image", "a dog").path == "dog.png"
    assert found.find(JOB, "image", "rain").path == "dog.png"


@pytest.mark.parametrize(
    ("modality", "reason", "sentence"),
    [
        ("image", "similarity", "has a cosine of 0.17 with it, less than 0.5"),
        ("video", "ground", "the folder of media has no video"),
    ],
)
def test_what_is_far_from_all_media_is_refused(modality, reason, sentence):
    with pytest.raises(RefusalError, match=sentence) as refusal:
        grounder().find(JOB, modality, "rain")
    assert refusal.value.reason == reason


def test_faiss_finds_the_same_media(monkeypatch):
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"{n}.png" for n in range(500)]
    plain = [row for row, _ in Pool(names, vectors).nearest(vectors[7])]
    monkeypatch.setattr(grounding, "LARGE_POOL", 100)
    assert [row for row, _ in Pool(names, vectors).nearest(vectors[7])] == plain
    assert plain[0] == 7


def unit(text: str) -> np.ndarray:
    """A direction in space that a text has for itself."""
    digest = hashlib.sha256(text.encode()).digest()
    vector = np.frombuffer(digest[:12], dtype=np.uint32).astype(np.float32) / 2**32 - 0.5
    return vector / np.linalg.norm(vector)


def test_refusals_of_the_search_are_counted(tmp_path):
    """The plan's captions are the grammar's; a pool of pictures serves some of them."""
    names = [f"{number}.png" for number in range(40)]
    pool = Pool(names, np.stack([unit(name) for name in names]))
    found = SearchGrounder({"image": pool}, lambda texts: np.stack([*map(unit, texts)]), 0.95)
    source = Source(["cats", "a walk"], own_captions=True, modalities=found.modalities)
    result = build(Order("mosit", source, 60, GrammarWriter(), tmp_path, grounder=found))
    assert {dialogue.job.mix for dialogue in result.dialogues} == {("image",)}
    assert result.reasons["similarity"] > 0
    assert len(result.refused) + len(result.dialogues) == 60
    used = [p for d in result.dialogues for m in d.record.messages for p in m.content]
    media = [part for part in used if part.type == "image"]
    assert media
    for number, part in enumerate(media):
        for other in media[:number]:
            if part.path == other.path and part.caption and other.caption:
                assert unit(part.caption) @ unit(other.caption) < NEAR_CAPTIONS


def test_what_a_decoder_cannot_make_is_refused(tmp_path):
    grounder = MakingGrounder(lambda modality, caption: f"{len(caption)}.png", ("image",))
    source = Source(["cats"], own_captions=True)
    order = Order("mosit", source, 14, GrammarWriter(), tmp_path, grounder=grounder)
    result = build(order)
    assert {dialogue.job.mix for dialogue in result.dialogues} == {("image",)}
    assert result.reasons == {"ground": 14 - len(result.dialogues)}


def test_an_endpoint_writes_captions_of_its_own(tmp_path, serve):
    def reply(body):
        prompt = body["messages"][-1]["content"]
        assert "Write captions of your own" in prompt
        assert not any(medium.caption in prompt for job in jobs for medium in job.media)
        turns = [
            {"role": "user", "parts": [{"text": f"Show me number {body['seed']}."}]},
            {"role": "assistant", "parts": [{"text": "With pleasure."}, {"image": "a dog"}]},
        ]
        return json.dumps({"turns": turns})

    found = grounder()
    source = Source(["a walk"], own_captions=True, modalities=found.modalities)
    jobs = plan_topics("mosit", MOSIT, source, 3, 0)
    writer = EndpointWriter(serve(reply).url, "m")
    result = build(Order("mosit", source, 3, writer, tmp_path, grounder=found))
    kept = [dialogue.record.messages[1].content[1] for dialogue in result.dialogues]
    assert [(part.path, part.caption) for part in kept][:1] == [("dog.png", "a dog")]
    # the same caption again never has the same picture, and no other is near enough
    assert len({part.path for part in kept}) == len(kept)
    assert result.reasons["reuse"] == 3 - len(kept)
