"""DreamLLM: our model asks for the same pictures, and what follows a picture sees the same."""

import pytest
import torch

from anygen.core.media import Image, Message
from anygen.importers.conversion import import_checkpoint
from support.foreign.dreamllm import dreamllm_system
from support.foreign.importing import conditions_of, converted, hidden_of, ids_of, user


def close(left, right):
    torch.testing.assert_close(left, right, atol=1e-4, rtol=1e-4)


@pytest.fixture
def theirs(dreamllm):
    return dreamllm


@pytest.fixture
def source(dreamllm_copy):
    return dreamllm_copy


@pytest.fixture
def system(base, tmp_path):
    return dreamllm_system(tmp_path / "system.yaml", base)


@pytest.fixture
def model(dreamllm_model):
    return dreamllm_model


def document(theirs, model, image, answer):
    """Two turns, of which the first was answered by a picture, up to where ours would dream."""
    base = theirs.base
    [seen], [made] = (model.model.encoder.encode([medium]) for medium in (image, answer))
    return [
        theirs.embed(ids_of(base, "<s>### Human: ")),
        theirs.picture(seen),
        theirs.embed([*ids_of(base, "draw it"), *ids_of(base, "\n### Assistant: ")]),
        theirs.dream(),
        theirs.picture(made),
        theirs.embed([*ids_of(base, "\n###"), *ids_of(base, "### Human:")]),
        theirs.embed(ids_of(base, " again")),
        theirs.embed(ids_of(base, "\n### Assistant:")),
    ]


@torch.no_grad()
def test_a_document_with_pictures_asks_for_the_same_next_one(theirs, model, image):
    answer = Image(torch.full((3, 8, 8), 9, dtype=torch.uint8))
    messages = [user(image, "draw it"), Message("assistant", (answer,)), user("again")]
    pieces = document(theirs, model, image, answer)
    hidden, expected = theirs.conditions(pieces)
    [condition] = conditions_of(model, messages, "image")
    close(condition[0], expected)
    read = hidden_of(model, messages)
    close(read, hidden[: len(read)])
    logits = theirs.head(read)
    start = theirs.vocabulary + 6  # <dream_start>
    said = torch.cat([logits[:, : theirs.vocabulary], logits[:, start : start + 1]], 1)
    close(model.model.llm.logits(read), said)
    # that <dream_end> stands there is seen by what follows
    ended = torch.cat(pieces[:3]).shape[0] + len(theirs.dream()) - 1
    shorter = torch.cat(pieces)
    shorter = torch.cat([shorter[:ended], shorter[ended + 1 :]])
    _, other = theirs.conditions([shorter])
    assert (condition[0] - other).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("name", ["dream_embedding.bin", "pytorch_model-00002-of-00002.bin"])
def test_one_wrong_tensor_would_be_seen(theirs, source, system, tmp_path, image, name):
    keys = torch.load(source / name)
    for key in keys:
        if "dream_queries" in key or "q_proj" in key:
            keys[key] = keys[key].flip(1)
    torch.save(keys, source / name)
    model = converted(source, "dreamllm", system, tmp_path / "out")
    answer = Image(torch.full((3, 8, 8), 9, dtype=torch.uint8))
    messages = [user(image, "draw it"), Message("assistant", (answer,)), user("again")]
    [condition] = conditions_of(model, messages, "image")
    _, expected = theirs.conditions(document(theirs, model, image, answer))
    assert (condition[0] - expected).abs().max() > 1e-3


@pytest.mark.parametrize(
    "name",
    [
        "dream_embedding.bin",
        "clip_vision_embedding.bin",
        "stable_diffusion_head.bin",
        "pytorch_model-00001-of-00002.bin",
    ],
)
def test_a_missing_file_is_named(source, system, tmp_path, name):
    (source / name).unlink()
    expected = "nothing in the checkpoint fills" if name[0] == "p" else f"there is no {name} in"
    with pytest.raises(ValueError, match=expected):
        import_checkpoint(source, "dreamllm", system, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_number_of_queries_is_refused(base, source, tmp_path):
    system = dreamllm_system(tmp_path / "other.yaml", base, closing=False)
    with pytest.raises(ValueError, match=r"llm\.signals\.closing is False"):
        import_checkpoint(source, "dreamllm", system, tmp_path / "out")


def test_without_its_tokenizer_nobody_knows_the_ids(source, system, tmp_path):
    for path in source.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ValueError, match="has no token '<dream_start>' beyond the vocabulary"):
        import_checkpoint(source, "dreamllm", system, tmp_path / "out")
