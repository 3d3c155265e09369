import pytest
import torch

from anygen.config.run import Run
from anygen.core.media import Audio, Image, Message, Video
from anygen.core.records import Record
from anygen.training.collate import IGNORED, assemble
from anygen.training.dialogues import Dialogue, read_record
from anygen.training.losses import generation_losses, hidden_states
from decoders.base import pooled_condition


@pytest.fixture
def dialogues(image, audio):
    return [
        Dialogue([Message("user", ("hi",)), Message("assistant", ("yes",))]),
        Dialogue(
            [
                Message("user", (audio, "draw")),
                Message("assistant", ("ok ", image)),
                Message("user", ("more",)),
                Message("assistant", (audio,)),
            ],
            captions={1: "a cat", 2: "a bell"},
        ),
    ]


@pytest.fixture
def batch(tiny_model, dialogues):
    return assemble(tiny_model, dialogues)


def said(model, batch, row):
    """The labels of a row as text; triggers as <image>."""
    signals, tokenizer = model.llm.signals, model.llm.tokenizer
    columns = [label for label in batch.labels[row].tolist() if label != IGNORED]
    return "".join(
        tokenizer.decode([c])
        if c < signals.vocabulary
        else f"<{signals.modalities[c - signals.vocabulary]}>"
        for c in columns
    )


def test_labels_are_what_the_assistant_says(tiny_model, batch):
    assert said(tiny_model, batch, 0) == "yes<|im_end|>"
    assert said(tiny_model, batch, 1) == "ok <image><|im_end|><audio><|im_end|>"


def test_rows_are_padded_at_the_end_and_padding_is_never_a_label(tiny_model, dialogues, batch):
    short, long = batch.lengths.tolist()
    assert short < long == batch.embeds.shape[1] == batch.labels.shape[1]
    assert batch.embeds.shape == (2, long, tiny_model.llm.width)
    assert (batch.labels[0, short:] == IGNORED).all()
    assert (batch.embeds[0, short:] == 0).all()
    alone = assemble(tiny_model, dialogues[:1])
    torch.testing.assert_close(batch.embeds[0, :short], alone.embeds[0])
    assert batch.labels[0, :short].equal(alone.labels[0])


def test_every_medium_of_the_assistant_is_a_target_at_its_span(tiny_model, batch, image, audio):
    found = [(t.modality, t.row, t.media, t.caption) for t in batch.targets]
    assert found == [("image", 1, image, "a cat"), ("audio", 1, audio, "a bell")]
    for target in batch.targets:
        span = tiny_model.llm.signals.span(target.modality)
        end = target.start + tiny_model.llm.signals.length(target.modality)
        expected = tiny_model.embed_ids(span)
        torch.testing.assert_close(batch.embeds[target.row, target.start : end], expected)
        labels = batch.labels[target.row, target.start : end].tolist()
        assert labels == [tiny_model.llm.label_of(span[0])] + [IGNORED] * (len(span) - 1)


@pytest.mark.parametrize("kind", ["tokens", "queries"])
def test_of_a_droppable_span_the_trigger_is_said_and_all_of_it_is_a_branch(
    kind, make_model, dialogues
):
    model = make_model(settings=[f"llm.signals={{kind: {kind}, droppable: true}}"])
    batch = assemble(model, dialogues)
    assert said(model, batch, 1) == "ok <image><|im_end|><audio><|im_end|>"
    expected = torch.zeros_like(batch.labels)
    for number, target in enumerate(batch.targets, start=1):
        length = model.llm.signals.length(target.modality)
        expected[target.row, target.start : target.start + length] = number
    assert batch.branches.equal(expected)


def test_spans_that_stay_make_no_branches(batch):
    assert batch.branches is None


def test_the_features_of_a_medium_follow_its_span(tiny_model, batch, image):
    target = batch.targets[0]
    start = target.start + tiny_model.llm.signals.length("image")
    [features] = tiny_model.encoder.encode([image])
    mark = tiny_model.embed_ids(tiny_model.llm.signals.marks("image")[0])
    expected = torch.cat([mark, tiny_model.input_projector.project("image", features)])
    found = batch.embeds[1, start : start + len(expected)]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_given_features_stand_for_a_medium_that_nobody_has_seen(tiny_model, image, audio):
    features = torch.randn(3, tiny_model.encoder.widths["image"])
    messages = [Message("user", (image, audio)), Message("assistant", ("a dog",))]
    seen = assemble(tiny_model, [Dialogue(messages)])
    given = assemble(tiny_model, [Dialogue(messages, features={0: features})])
    shorter = len(tiny_model.encoder.encode([image])[0]) - len(features)
    assert int(seen.lengths) - int(given.lengths) == shorter
    assert said(tiny_model, given, 0) == "a dog<|im_end|>"


def test_a_record_of_the_small_world_becomes_media_and_captions(tmp_path, image):
    scene = {"type": "image", "path": str(tmp_path / "x.png"), "caption": "a ramp"}
    record = Record.model_validate(
        {
            "id": "a",
            "messages": [
                {"role": "user", "content": "draw"},
                {"role": "assistant", "content": [{"type": "text", "text": "so"}, scene]},
            ],
        }
    )
    asked = []
    dialogue = read_record(record, lambda path: asked.append(path) or image)
    assert asked == [str(tmp_path / "x.png")]
    assert [message.role for message in dialogue.messages] == ["user", "assistant"]
    assert dialogue.messages[1].parts == ("so", image)
    assert dialogue.captions == {0: "a ramp"}


def test_media_are_numbered_across_turns(image, audio, video):
    media = {"1": image, "2": audio, "3": video}
    contents = [
        {"type": kind, "path": path, "caption": caption}
        for kind, path, caption in (("image", "1", None), ("audio", "2", "b"), ("video", "3", "c"))
    ]
    turns = [
        {"role": "user", "content": contents[:1]},
        {"role": "assistant", "content": contents[1:]},
    ]
    record = Record.model_validate({"id": "a", "messages": turns})
    dialogue = read_record(record, media.get)
    assert dialogue.captions == {1: "b", 2: "c"}
    kinds = [type(part) for message in dialogue.messages for part in message.parts]
    assert kinds == [Image, Audio, Video]


def test_rows_share_the_system_prompt_and_no_more(tiny_model):
    dialogues = [
        Dialogue([Message("user", (text,)), Message("assistant", ("yes",))])
        for text in ("draw a cat", "what is this?")
    ]
    batch = assemble(tiny_model, dialogues)
    assert batch.shared > 3
    assert batch.embeds[0, : batch.shared].equal(batch.embeds[1, : batch.shared])
    assert not batch.embeds[0, batch.shared].equal(batch.embeds[1, batch.shared])


def test_a_medium_of_another_modality_than_its_type_is_refused(image):
    content = [{"type": "text", "text": "hi"}, {"type": "audio", "path": "cat.png"}]
    record = Record(id="a", messages=[{"role": "user", "content": content}])
    with pytest.raises(ValueError, match="medium 1 has the type audio, and is of"):
        read_record(record, lambda path: image)


def record_of(*turns, **settings):
    messages = [{"role": role, "content": content} for role, content in turns]
    return Record.model_validate({"id": "a", "messages": messages, **settings})


DRAWN = [
    {"type": "text", "text": "Take this. "},
    {"type": "image", "caption": "a tulip"},
    {"type": "text", "text": " Bye"},
]


def test_of_a_medium_that_is_a_caption_only_the_span_alone_is_read(tiny_model, image):
    """It has no pixels, so the text goes on right behind its span, and the encoder is not asked."""
    record = record_of(
        ("user", [{"type": "image", "path": "x"}]),
        ("assistant", DRAWN),
        ("user", "more"),
        ("assistant", [{"type": "image", "path": "x", "caption": "a cat"}]),
    )
    dialogue = read_record(record, lambda path: image)
    batch = assemble(tiny_model, [dialogue])
    assert said(tiny_model, batch, 0) == "Take this. <image> Bye<|im_end|><image><|im_end|>"
    first, second = batch.targets
    assert (first.media, first.caption) == (None, "a tulip")
    assert (second.media, second.caption) == (image, "a cat")
    end = first.start + tiny_model.llm.signals.length("image")
    bye = tiny_model.llm.tokenizer(" Bye", add_special_tokens=False).input_ids
    assert batch.labels[0, end : end + len(bye)].tolist() == bye


def test_a_medium_without_a_file_teaches_its_condition_and_no_denoising(tiny_model, image):
    alone = assemble(tiny_model, [read_record(record_of(("user", "hi"), ("assistant", DRAWN)))])
    shown = [{"type": "image", "path": "x", "caption": "a cat"}]
    seen = read_record(record_of(("user", "hi"), ("assistant", shown)), lambda path: image)
    both = assemble(
        tiny_model, [read_record(record_of(("user", "hi"), ("assistant", DRAWN))), seen]
    )
    generators = [torch.Generator().manual_seed(0)]
    others = torch.randn(3, pooled_width(tiny_model))
    terms = [
        generation_losses(
            tiny_model,
            hidden_states(tiny_model.llm, batch.embeds, batch.lengths),
            batch,
            lambda modality: others,
            generators,
            Run.model_construct(denoised=1),
        )
        for batch in (alone, both)
    ]
    assert terms[0].keys() == {"image_align", "image_gist", "image_contrast"}
    assert terms[1].keys() == {*terms[0], "image_denoise"}
    assert all(bool(value.isfinite().all()) for row in terms for value in row.values())


def pooled_width(model):
    decoder = model.decoders["image"]
    tokens, _ = decoder.condition_spec.split(decoder.encode_prompt(["a cat"]))
    return pooled_condition(tokens).shape[-1]


def test_a_document_is_one_turn_of_the_assistant(tiny_model, image):
    content = [
        {"type": "text", "text": "Mix."},
        {"type": "image", "path": "x", "caption": "a bowl"},
        {"type": "text", "text": "Bake."},
    ]
    dialogue = read_record(record_of(("assistant", content)), lambda path: image)
    batch = assemble(tiny_model, [dialogue])
    assert said(tiny_model, batch, 0) == "Mix.<image>Bake.<|im_end|>"
    assert [target.caption for target in batch.targets] == ["a bowl"]


def test_a_ref_is_the_earlier_medium_itself(image):
    turns = [
        ("assistant", [{"type": "image", "path": "x", "caption": "a cat"}]),
        ("user", [{"type": "image", "ref": 1}, {"type": "text", "text": "in blue"}]),
    ]
    dialogue = read_record(record_of(*turns), lambda path: image)
    assert dialogue.messages[1].parts == (image, "in blue")
    unseen = [("assistant", [{"type": "image", "caption": "a cat"}]), turns[1]]
    with pytest.raises(ValueError, match="of medium 1 only the caption is known"):
        read_record(record_of(*unseen))
    with pytest.raises(ValueError, match="there is no medium 1 before"):
        read_record(record_of(turns[1]))


def test_a_record_names_its_origin():
    made_by = {"writer": "grammar", "seed": 3}
    origin = {"source": "coco/1.jpg", "licence": "CC-BY-4.0", "made_by": made_by}
    record = record_of(("assistant", "hi"), **origin)
    assert record.model_dump(exclude_none=True, include={*origin}) == origin
