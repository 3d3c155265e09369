"""Training goes on where it stopped, and what was trained is the model that is loaded."""

import json

import pytest
import torch
from safetensors.torch import load_file

from anygen import AnyGen
from anygen.checkpoints.checkpoint import own_tensors
from anygen.core.media import Image, Message, Video
from anygen.core.modality import MEDIA
from anygen.generation.answer import collect
from anygen.generation.events import Done, MediaDone, MediaProgress, MediaStarted, TextDelta
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.numerics.int8_linear import has_vnni
from anygen.training.packing import pack
from anygen.training.parallel.devices import has_fast_int8
from anygen.training.trainer import train
from decoders.base import SampleOptions

# While the rate still rises, a step does not depend on how many there will be.
RISING = {"warmup": 100, "learning_rate": 1e-2, "save_every": 3}
RUNS = {
    "caption": {"decoders": ["image", "audio"]},
    "denoise": {"decoders": ["audio", "image"], "pool": {"audio": 4, "image": 6}, "ema": 0.9},
    "vae": {"decoders": ["image"]},
    "instruct": {"denoised": 1, "weight_decay": 0.1},
    "represent": {"rows": {"image": 3}},
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", RUNS)
def test_a_run_that_was_stopped_ends_with_the_same_weights(
    stage, write_run, qformer_system, tmp_path
):
    own = {"system": str(qformer_system)} if stage == "represent" else {}
    name = write_run(stage, steps=6, **RISING, **RUNS[stage], **own)
    once, twice = tmp_path / "once", tmp_path / "twice"
    train(name, [f"out={once}"])
    train(name, [f"out={twice}", "steps=3"])
    (twice / ".state.partial.pt").write_bytes(b"killed while it saved")
    train(name, [f"out={twice}"], change=["steps"])
    expected, resumed = (load_file(out / "weights.safetensors") for out in (once, twice))
    assert expected.keys() == resumed.keys()
    assert all(torch.equal(expected[key], resumed[key]) for key in expected)


def test_a_finished_run_is_left_as_it_is(write_run, tmp_path):
    name = write_run("vae", decoders=["image"], out=str(tmp_path / "run"))
    out = train(name, [])
    before = (out / "weights.safetensors").read_bytes()
    assert train(name, []) == out
    assert (out / "weights.safetensors").read_bytes() == before


def test_a_run_writes_what_it_was_and_how_it_went(write_run):
    name = write_run("denoise", decoders=["image"], pool={"image": 4}, steps=4, log_every=2)
    out = train(name, [])
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    *steps, samples = rows
    assert [row["step"] for row in steps] == [2, 4]
    assert all({"image", "grad_norm", "learning_rate"} <= row.keys() for row in steps)
    assert samples["step"] == 4
    assert samples["samples"]
    assert all((out / path).is_file() for path in samples["samples"])
    assert "stage: denoise" in (out / "run.yaml").read_text()


def test_scenes_are_encoded_once_for_a_run_and_its_resumption(write_run, tmp_path):
    name = write_run("denoise", decoders=["image"], pool={"image": 5}, out=str(tmp_path / "run"))
    pool = train(name, []) / "pool.safetensors"
    [encoded], written = load_file(pool).values(), pool.stat().st_mtime_ns
    assert encoded.shape == (5, 4, 4, 4)
    train(name, ["steps=4"], change=["steps"])
    assert pool.stat().st_mtime_ns == written
    train(name, ["steps=6", "pool.image=7"], change=["steps", "pool"])
    [again] = load_file(pool).values()
    assert again.shape == (7, 4, 4, 4)
    assert torch.equal(again[:5], encoded)


@pytest.mark.parametrize("able", [True, False])
def test_8_bits_are_fast_where_the_cpu_has_instructions_for_them(able, caplog):
    with caplog.at_level("INFO"):
        assert has_fast_int8(torch.device("cpu"), lambda: able) == able
    assert ("this CPU has no VNNI" in caplog.text) == (not able)


def test_a_base_is_in_8_bits_only_where_they_are_fast(write_run, tmp_path):
    """Rounded weights of the base change what is learned."""
    name = write_run("encode")
    plain, rounded = (
        load_file(train(name, [f"precision={p}", f"out={tmp_path / p}"]) / "weights.safetensors")
        for p in ("float32", "int8")
    )
    alike = all(tensor.equal(rounded[key]) for key, tensor in plain.items())
    assert alike == (not has_vnni())


def test_lora_is_learned_upon_a_base_in_4_bits(write_run, wide_system, tmp_path):
    """QLoRA: what is saved is what any run saves."""
    name = write_run("instruct", system=str(wide_system))
    folders = [
        train(name, [f"precision={precision}", f"out={tmp_path / precision}"])
        for precision in ("nf4", "float32")
    ]
    four_bits, plain = (load_file(folder / "weights.safetensors") for folder in folders)
    assert four_bits.keys() == plain.keys()
    learned = [name for name in four_bits if ".lora_B." in name]
    assert learned
    assert any(four_bits[name].abs().max() > 0 for name in learned)


def test_a_stage_starts_from_earlier_runs(write_run, tmp_path):
    first = train(write_run("vae", decoders=["image"], out=str(tmp_path / "first")), [])
    name = write_run("vae", decoders=["image"], init=[str(first)], learning_rate=1e-12)
    second = train(name, [])
    before, after = (load_file(out / "weights.safetensors") for out in (first, second))
    torch.testing.assert_close(
        before["decoders.image.vae.kl.quant_conv.weight"],
        after["decoders.image.vae.kl.quant_conv.weight"],
    )


def test_what_no_run_has_learned_is_named_when_a_model_is_packed(write_run, tiny_system, tmp_path):
    run = train(write_run("vae", decoders=["image"]), [])
    with pytest.raises(ValueError, match=r"nothing has trained .*llm\.signal_rows"):
        pack(str(tiny_system), [run], tmp_path / "model")


@pytest.fixture(scope="module")
def loaded(saved_model):
    return load(saved_model)


def load(folder):
    torch.manual_seed(0)  # the tiny trunk has no published weights: it is random, and not saved
    return AnyGen.from_pretrained(folder)


ASK = [Message("user", ("draw a cat",))]


def same(left, right):
    assert len(left.parts) == len(right.parts)
    for mine, theirs in zip(left.parts, right.parts, strict=True):
        assert type(mine) is type(theirs)
        if isinstance(mine, Image):
            assert (mine.pixels.int() - theirs.pixels.int()).abs().max() <= 1
        else:
            assert mine == theirs


def test_a_model_that_was_saved_is_the_model_that_is_loaded(loaded, tmp_path):
    loaded.save_pretrained(tmp_path / "copy")
    copy = load(tmp_path / "copy")
    own = own_tensors(loaded.model)
    assert all(torch.equal(own[name], tensor) for name, tensor in own_tensors(copy.model).items())
    answers = [model.generate(ASK, max_new_tokens=40, seed=5) for model in (loaded, copy)]
    assert any(isinstance(part, Image) for part in answers[0].parts)
    same(*answers)


def test_a_model_can_be_saved_where_it_lies(saved_model, tmp_path):
    model = load(saved_model)
    model.save_pretrained(tmp_path)
    load(tmp_path).save_pretrained(tmp_path)
    same(*(m.generate(ASK, max_new_tokens=20) for m in (model, load(tmp_path))))


def test_events_come_in_the_order_of_the_answer(loaded):
    events = list(loaded.reply(ASK, max_new_tokens=10, media={"image": SampleOptions(steps=3)}))
    first = events.index(next(e for e in events if isinstance(e, MediaStarted)))
    assert events[first] == MediaStarted(0, "image")
    assert events[first + 1 : first + 4] == [
        MediaProgress(0, "image", step, 3) for step in (1, 2, 3)
    ]
    assert isinstance(events[first + 4], MediaDone)
    done = events[-1]
    assert isinstance(done, Done)
    assert done.finish_reason in {"stop", "length", "withheld"}
    assert done.prompt_tokens > 0
    assert done.new_tokens > 0


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(loaded):
    pictures = [
        next(
            p
            for p in loaded.generate(ASK, max_new_tokens=5, seed=s).parts
            if not isinstance(p, str)
        )
        for s in (1, 1, 2)
    ]
    assert pictures[0].pixels.equal(pictures[1].pixels)
    assert not pictures[0].pixels.equal(pictures[2].pixels)


def test_two_pictures_of_an_answer_have_seeds_of_their_own(loaded):
    events = loaded.reply(ASK, max_new_tokens=60)
    seeds = [event.seed for event in events if isinstance(event, MediaDone)]
    assert len(seeds) > 1
    assert len(set(seeds)) == len(seeds)


def test_many_at_once_are_answered_as_each_alone(loaded):
    questions = ["draw a cat", "play a bell and a drum", "film a ball"]
    requests = [
        Request([Message("user", (text,))], seed, AnswerOptions(max_new_tokens=10))
        for seed, text in enumerate(questions)
    ]
    quick = AnswerOptions(max_new_tokens=5, media={"image": SampleOptions(steps=3)})
    requests.append(Request(ASK, 9, quick))
    together = loaded.reply_many(requests)
    for request, answer in zip(requests, together, strict=True):
        same(answer.message, collect(loaded.answer(request)).message)


@pytest.mark.parametrize("wanted", [None, *MEDIA])
def test_an_answer_has_only_the_media_that_are_allowed(loaded, wanted):
    allowed = None if wanted is None else ("text", wanted)
    events = list(loaded.reply(ASK, modalities=allowed, max_new_tokens=12))
    made = {event.modality for event in events if isinstance(event, MediaStarted)}
    assert made <= ({wanted} if wanted else set(MEDIA))
    if wanted in (None, "image"):
        assert made == {"image"}


def test_an_answer_ends_at_its_limit(loaded):
    *events, done = loaded.reply(ASK, modalities=("text",), max_new_tokens=3)
    assert done.finish_reason == "length"
    assert done.new_tokens == 3
    assert all(isinstance(event, TextDelta) for event in events)


def test_cancelling_while_a_picture_is_made_ends_the_answer(loaded):
    seen = []
    for event in loaded.reply(
        ASK,
        media={"image": SampleOptions(steps=50)},
        cancelled=lambda: sum(isinstance(e, MediaProgress) for e in seen) >= 2,
    ):
        seen.append(event)
    assert seen[-1].finish_reason == "cancelled"
    assert seen[-1].prompt_tokens > 0
    assert not any(isinstance(event, MediaDone) for event in seen)


def test_media_of_every_kind_are_read_in_one_conversation(loaded, image, audio, video):
    messages = [
        Message("user", (image, "and", audio)),
        Message("assistant", ("I see ", image)),
        Message("user", (Video(video.frames, video.fps), "?")),
    ]
    answer = loaded.generate(messages, modalities=("text",), max_new_tokens=4)
    assert answer.role == "assistant"
    assert all(isinstance(part, str) for part in answer.parts)
