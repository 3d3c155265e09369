"""The adapters for Hugging Face, used as in the documentation of transformers."""

import base64

import huggingface_hub
import numpy as np
import PIL.Image
import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoConfig, AutoModel, AutoModelForMultimodalLM, AutoProcessor, pipeline

import anygen.integrations.huggingface as adapters
from anygen.core.media import Message
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.io.media_files import write_media

QUICK = {"max_new_tokens": 4, "media": {"image": {"steps": 1}, "video": {"steps": 1}}}


@pytest.fixture(scope="module")
def pipe(saved_model):
    return pipeline("any-to-any", model=str(saved_model), pipeline_class=adapters.AnyGenPipeline)


def chat(*blocks):
    return [{"role": "user", "content": list(blocks)}]


def test_the_auto_classes_find_a_models_folder(saved_model):
    assert isinstance(AutoConfig.from_pretrained(saved_model), adapters.AnyGenConfig)
    assert isinstance(AutoProcessor.from_pretrained(saved_model), adapters.AnyGenProcessor)
    for found in (AutoModel, AutoModelForMultimodalLM):
        model = found.from_pretrained(saved_model)
        assert isinstance(model, adapters.AnyGenModel)
        assert model.output_modalities == ("text", *model.anygen.model.decoders)


def test_what_the_auto_class_loaded_can_be_saved_and_answers_the_same(saved_model, tmp_path):
    model = AutoModel.from_pretrained(saved_model)
    model.save_pretrained(tmp_path / "again")
    again = AutoModel.from_pretrained(tmp_path / "again")
    asked = [[Message("user", ("A red ball",))]]
    [one], [other] = (m.generate(asked, max_new_tokens=8, max_media=0) for m in (model, again))
    assert one.message.parts == other.message.parts


def test_a_mode_of_one_medium_gives_that_medium_alone(pipe):
    [image] = pipe("a red ball", generation_mode="image", **QUICK)
    assert isinstance(image["generated_image"], PIL.Image.Image)
    assert image["input_text"] == "a red ball"
    [audio] = pipe("a melody", generation_mode="audio", media={"audio": {"steps": 1}})
    assert audio["generated_audio"].dtype == np.float32
    assert audio["generated_audio"].ndim == 2
    assert audio["sampling_rate"] == 16_000
    [video] = pipe("a ball", generation_mode="video", **QUICK)
    frames = video["generated_video"]
    assert frames.dtype == np.uint8
    assert frames.ndim == 4
    assert frames.shape[-1] == 3
    assert video["fps"] > 0


def test_a_list_of_texts_gives_a_list_of_results(pipe, image):
    texts = ["draw a cat", "draw a dog"]
    options = {"generation_mode": "text", "max_new_tokens": 4}
    results = pipe(texts, **options)
    assert [result["input_text"] for [result] in results] == texts
    assert results == [pipe(text, **options) for text in texts]
    beside = pipe(texts, images=[image, image], **options)
    assert beside == [pipe(text, images=image, **options) for text in texts]
    assert beside == pipe([{"text": text, "image": image} for text in texts], **options)
    assert pipe([], **options) == []
    with pytest.raises(ValueError, match="images: 1 for 2 texts; give one for each"):
        pipe(texts, images=[image], **options)


def test_arrays_beside_a_text_have_their_rate(pipe, audio):
    options = {"generation_mode": "text", "max_new_tokens": 2, "sampling_rate": audio.rate}
    [result] = pipe("What is this?", audio=audio.samples.numpy(), **options)
    assert isinstance(result["generated_text"], str)


def test_a_pipeline_has_the_precision_that_it_is_given(saved_model):
    arguments = {"model": str(saved_model), "pipeline_class": adapters.AnyGenPipeline}
    narrow = pipeline("any-to-any", dtype=torch.bfloat16, **arguments).model.anygen.model
    assert narrow.placement.torch_dtype == torch.bfloat16
    assert narrow.llm.signal_rows.dtype == torch.bfloat16
    usual = pipeline("any-to-any", **arguments).model.anygen.model
    assert usual.placement.torch_dtype == torch.float32


def test_text_is_what_reply_says(pipe):
    options = AnswerOptions(modalities=("text",), max_new_tokens=6)
    request = Request([Message("user", ("a red ball",))], options=options)
    [answer] = pipe.model.anygen.reply_many([request])
    [made] = pipe("a red ball", generation_mode="text", max_new_tokens=6)
    assert made["generated_text"] == "".join(answer.message.parts)


def test_auto_keeps_the_order_of_an_answer(pipe):
    settings = {"begin": "audio", "exactly": {"audio": 1, "video": 1, "image": 0}}
    steps = {"audio": {"steps": 1}, "video": {"steps": 1}}
    [made] = pipe("go on", max_new_tokens=3, words_between=1, media=steps, **settings)
    kinds = [block["type"] for block in made["generated"]]
    assert kinds[0] == "audio"
    assert kinds.count("video") == 1
    assert made["generated"][0]["sampling_rate"] == 16000


def test_media_come_as_pictures_arrays_paths_and_base64(pipe, image, audio, video, tmp_path):
    path = write_media(image, tmp_path / "ball.png")
    encoded = base64.b64encode(path.read_bytes()).decode()
    frames = video.frames.permute(0, 2, 3, 1).numpy()
    blocks = [
        {"type": "image", "image": PIL.Image.open(path)},
        {"type": "image", "url": str(path)},
        {"type": "image", "base64": encoded},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}},
        {"type": "audio", "audio": audio.samples.numpy(), "sampling_rate": audio.rate},
        {"type": "video", "video": frames, "fps": video.fps},
        {"type": "text", "text": "What are these?"},
    ]
    [message] = pipe.processor.messages(chat(*blocks))
    *pictures, sound, moving, words = message.parts
    assert all(torch.equal(picture.pixels, image.pixels) for picture in pictures)
    assert torch.equal(sound.samples, audio.samples)
    assert torch.equal(moving.frames, video.frames)
    assert words == "What are these?"
    [made] = pipe(chat(*blocks), generation_mode="text", max_new_tokens=2)
    assert isinstance(made["generated_text"], str)


def test_pictures_and_text_can_be_given_beside_each_other(pipe, image):
    [made] = pipe(text="What is this?", images=adapters.plain_value(image), generation_mode="text")
    assert made["input_text"] == "What is this?"


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"type": "smell", "smell": "rose"}, "a block of type 'smell'; there are text, image"),
        ({"type": "image"}, "a block of type 'image' without image, url, path or base64"),
        ({"type": "audio", "audio": np.zeros(4)}, "also needs sampling_rate"),
        ({"type": "image", "path": "nowhere.png"}, "nowhere.png: no such file"),
    ],
)
def test_a_block_that_cannot_be_read_is_refused_in_a_sentence(pipe, block, said):
    with pytest.raises(ValueError, match=said):
        pipe(chat(block), generation_mode="text")


def test_a_mode_that_is_none_is_refused(pipe):
    with pytest.raises(ValueError, match="generation_mode: this model has no 'smell'"):
        pipe("a rose", generation_mode="smell")


def test_a_saved_model_has_a_card_that_the_hub_understands(saved_model):
    card = ModelCard.load(saved_model / "README.md")
    assert card.data.pipeline_tag == "any-to-any"
    assert card.data.library_name == "anygen"
    assert "| image decoder | `stable_diffusion` |" in card.text


def test_a_card_that_somebody_wrote_stays(make_model, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    make_model().save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_model_is_uploaded_with_its_card(saved_model, monkeypatch):
    sent = {}

    class Hub:
        def create_repo(self, repository, **settings):
            sent["repository"] = repository

        def upload_folder(self, **what):
            sent["files"] = {path.name for path in what["folder_path"].iterdir()}
            return "https://hub/tree/main"

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert adapters.push_to_hub(saved_model, "me/balls") == "https://hub/tree/main"
    assert sent["repository"] == "me/balls"
    assert {"README.md", "config.json", "model.safetensors"} <= sent["files"]
