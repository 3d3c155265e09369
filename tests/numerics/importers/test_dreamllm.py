"""DreamLLM: our model asks for the same pictures, and what follows a picture sees the same."""

import pytest
import torch

from anygen.checkpoints.checkpoint import WEIGHTS, load_weights
from anygen.core.media import Image, Message
from anygen.importers.conversion import import_checkpoint
from anygen.model.multimodal import MultimodalModel
from anygen.training.losses import drop_conditions
from support.foreign.dreamllm import CONDITION, TOKENS, dreamllm_system
from support.foreign.importing import conditions_of, converted, hidden_of, published, user


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
    spelt = published(theirs.base)
    [seen], [made] = (model.model.encoder.encode([medium]) for medium in (image, answer))
    return [
        theirs.embed(spelt.texts("USER: ")),
        theirs.picture(seen),
        theirs.embed(spelt.text("draw it ASSISTANT:")),
        theirs.dream(),
        theirs.picture(made),
        theirs.embed([spelt.pieces.eos_id(), *spelt.text("USER: again ASSISTANT:")]),
    ]


@torch.no_grad()
def test_a_document_with_pictures_asks_for_the_same_next_one(theirs, model, image):
    answer = Image(torch.full((3, 8, 8), 9, dtype=torch.uint8))
    messages = [user(image, "draw it"), Message("assistant", (answer,)), user("again")]
    pieces = document(theirs, model, image, answer)
    hidden, expected = theirs.conditions(pieces)
    condition, _ = conditions_of(model, messages, "image")
    close(condition[0], expected)
    read = hidden_of(model, messages)
    close(read, hidden[: len(read)])
    logits = theirs.head(read)
    start = theirs.vocabulary + 6  # <dream_start>
    said = torch.cat([logits[:, : theirs.vocabulary], logits[:, start : start + 1]], 1)
    close(model.model.llm.logits(read), said)
    # that <dream_end> stands there is seen by what follows
    ended = torch.cat(pieces[:4]).shape[0] - 1
    shorter = torch.cat(pieces)
    shorter = torch.cat([shorter[:ended], shorter[ended + 1 :]])
    _, other = theirs.conditions([shorter])
    assert (condition[0] - other).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("negative", [None, "a red cat"])
def test_guidance_leads_away_from_a_dream_behind_the_negative_prompt(theirs, model, negative):
    """As encode_prompt of modeling_dreamllm.py: no template, and an empty prompt by default."""
    rendered = []
    decoder = model.model.decoders["image"]

    def sample(requests, *_):
        rendered.extend(requests)
        return type(decoder).sample(decoder, requests, *_)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder, "sample", sample)
        image = {"image": {"negative": negative}}
        model.generate([user("draw it")], begin="image", max_media=1, max_new_tokens=1, media=image)
    [request] = rendered
    ids = published(theirs.base).texts(negative or "")
    _, expected = theirs.conditions([theirs.embed(ids)])
    close(request.negative_condition, expected)
    assert (request.condition - expected).abs().max() > 1e-3


def test_training_replaces_some_conditions_by_that_of_an_empty_prompt(theirs, model):
    folder = model.model.folder
    learning = MultimodalModel(model.model.system, folder)
    load_weights(learning, [folder / WEIGHTS], complete=True)
    conditions = torch.zeros(64, TOKENS, CONDITION)
    rows = [torch.Generator().manual_seed(seed) for seed in range(64)]
    mixed = drop_conditions(learning, "image", conditions, rows)
    dropped = mixed.flatten(1).any(1)
    assert 0 < dropped.sum() < 20
    _, expected = theirs.conditions([theirs.embed(published(theirs.base).first)])
    close(mixed[dropped], expected.expand(int(dropped.sum()), -1, -1))
    again = [torch.Generator().manual_seed(seed) for seed in range(64)]
    assert torch.equal(drop_conditions(learning, "image", conditions, again), mixed)


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
    condition, _ = conditions_of(model, messages, "image")
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
    expected = f"{name}: is missing" if name[0] == "p" else f"there is no {name} in"
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
